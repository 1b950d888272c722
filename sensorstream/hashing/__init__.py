"""PostgreSQL's hash functions over arrays."""
