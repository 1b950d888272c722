"""A run and what goes with it: ingest, its record, DataFrames, missing days."""
