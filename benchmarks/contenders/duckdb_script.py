"""The statements of standard input, one a line; prints how many rows the last one wrote."""

import sys

import duckdb

connection = duckdb.connect(config={"extension_directory": sys.argv[1]})
for statement in sys.stdin:
    done = connection.execute(statement)
print(done.fetchone()[0])
