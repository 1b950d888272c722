"""PostgreSQL's hash functions over arrays; what a row hashes to says ``transform.fingerprint``, and in SQL
``historian.fingerprint_sql``.
"""
