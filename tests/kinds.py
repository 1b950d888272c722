"""The same rows as every kind of relation that PostgreSQL lets one select from."""

from __future__ import annotations

import pytest
from psycopg import conninfo

from sensorstream.sandbox import Sandbox
from sensorstream.sandbox import postgres as sandbox_postgres
from sensorstream.sandbox.state import State

# Each statement begins with ``far.t``, a plain table of all rows, and ends with ``public.t`` as a reader sees it; late
# rows are put into ``far.late``. ``{key}`` is a column, ``{middle}`` a value of it that parts the rows.
KINDS = {
    "table": "CREATE TABLE {t} (LIKE far.{t} INCLUDING ALL); INSERT INTO {t} SELECT * FROM far.{t}",
    "partitioned": "CREATE TABLE {t} (LIKE far.{t} INCLUDING ALL) PARTITION BY RANGE ({key});"
    "CREATE TABLE {t}_p PARTITION OF {t} FOR VALUES FROM (MINVALUE) TO ({middle});"
    "CREATE TABLE far.{t}_q PARTITION OF {t} FOR VALUES FROM ({middle}) TO (MAXVALUE);"
    "INSERT INTO {t} SELECT * FROM far.{t}",
    "view": "CREATE VIEW {t} AS SELECT * FROM far.{t}",
    "view over a join": "CREATE VIEW {t} AS SELECT r.* FROM far.{t} r JOIN far.{t} s USING ({keys})",
    "view over two": "CREATE VIEW {t} AS SELECT * FROM far.{t} WHERE {key} < {middle}"
    " UNION ALL SELECT * FROM far.{t} WHERE {key} >= {middle}",
    "materialized view": "CREATE MATERIALIZED VIEW {t} AS SELECT * FROM far.{t}",
    "foreign table": "IMPORT FOREIGN SCHEMA far LIMIT TO ({t}) FROM SERVER far INTO public",
    "heirs of another schema": "CREATE TABLE {t} (LIKE far.{t} INCLUDING ALL);"
    "CREATE TABLE far.{t}_p (LIKE far.{t} INCLUDING ALL) INHERITS ({t});"
    "CREATE TABLE far.{t}_q (LIKE far.{t} INCLUDING ALL) INHERITS ({t});"
    "INSERT INTO far.{t}_p SELECT * FROM far.{t} WHERE {key} < {middle};"
    "INSERT INTO far.{t}_q SELECT * FROM far.{t} WHERE {key} >= {middle}",
    "rows of its own and heirs": "CREATE TABLE {t} (LIKE far.{t} INCLUDING ALL);"
    "CREATE TABLE {t}_p (LIKE far.{t} INCLUDING ALL) INHERITS ({t});"
    "INSERT INTO {t} SELECT * FROM far.{t} WHERE {key} < {middle};"
    "INSERT INTO {t}_p SELECT * FROM far.{t} WHERE {key} >= {middle}",
}
# Where a row is put that comes later, and what shows it then.
INTO = {
    "table": "{t}",
    "partitioned": "{t}",
    "heirs of another schema": "far.{t}_p",
    "rows of its own and heirs": "{t}_p",
}


def become(database, sandbox: Sandbox, kind: str, table: str, keys: tuple[str, ...], middle: int) -> None:
    """Make a plain table of ``public`` the ``kind``, with the same rows."""
    database.execute(f"CREATE SCHEMA IF NOT EXISTS far; ALTER TABLE {table} SET SCHEMA far")
    if kind == "foreign table":
        _server(database, sandbox)
    names = {"t": table, "key": keys[-1], "keys": ", ".join(keys), "middle": middle}
    database.execute(KINDS[kind].format(**names))
    database.execute("ANALYZE")


def insert(database, kind: str, table: str, values: str) -> None:
    """Put a row into a table that has ``become`` the ``kind``."""
    database.execute(f"INSERT INTO {INTO.get(kind, 'far.{t}').format(t=table)} VALUES ({values})")
    if kind == "materialized view":
        database.execute(f"REFRESH MATERIALIZED VIEW {table}")


def _server(database, sandbox: Sandbox) -> None:
    """A foreign server ``far``, which is this database once more."""
    with sandbox_postgres._admin(State.load(sandbox.root), database.name) as admin:
        if not admin.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'postgres_fdw'").fetchone():
            pytest.skip("this PostgreSQL has no postgres_fdw")
        admin.execute("CREATE EXTENSION IF NOT EXISTS postgres_fdw")
        admin.execute("GRANT USAGE ON FOREIGN DATA WRAPPER postgres_fdw TO owner")
    login = conninfo.conninfo_to_dict(database.owner)
    if database.execute("SELECT 1 FROM pg_foreign_server"):
        return
    database.execute(
        f"CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '{login['host']}',"
        f" port '{login['port']}', dbname '{database.name}');"
        f"CREATE USER MAPPING FOR PUBLIC SERVER far OPTIONS (user 'owner', password '{login['password']}')"
    )
