"""The lake's files as an Apache Iceberg table as well: each commit of readings is one snapshot.

``table`` writes the table's metadata of the manifest's own entries, no file is opened; ``store_io`` is how pyiceberg
reaches the lake's store; ``pointer`` tells readers which metadata is committed: a file beside it, and a catalog.

The manifest's root stays the only commit: metadata is written before it and named by it, pointers follow. Everything
that the package writes lies under ``iceberg/metadata/``; what the root does not name there is removed like the rest of
the bookkeeping. pyiceberg is imported only where ``iceberg`` is configured: it takes 0.6 s.
"""
