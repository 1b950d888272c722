"""SQL that names the Iceberg table to an engine. Pure: pyiceberg is not imported.

Where a catalog is configured that an engine asks as well, there is nothing to make: the run keeps the entry.
"""

from __future__ import annotations

from ...config.settings import Config
from ...errors import ConfigError
from ..ddl import duckdb_access, hive_text, needs_s3, standard_text
from ..keys import ICEBERG
from ..stores import open_store

STALE = "-- It names one state: print and run it again after a run, or configure a catalog, which follows by itself."


def table_statements(config: Config, metadata: str, engine: str) -> str:
    """The statements that make the table one of ``engine``, whose metadata has the key ``metadata``.

    Raises ``ConfigError`` where the engine needs S3 or AWS Glue and the lake has it not.
    """
    assert config.iceberg is not None
    if engine not in ("spark", "duckdb"):
        needs_s3(config, f"--for {engine}")
    url = open_store(config).url
    where, file = f"{url}{ICEBERG}".rstrip("/"), f"{url}{metadata}"
    table = config.iceberg.table
    schema, _, name = table.rpartition(".")
    if engine == "duckdb":
        # Its name tells the version without a v.
        view = f"iceberg_scan(\n  {standard_text(where)}, version_name_format = '%s%s.metadata.json'\n)"
        first = f"INSTALL iceberg;\nLOAD iceberg;\n{duckdb_access(config)}"
        return f"{first}CREATE OR REPLACE VIEW {name} AS SELECT * FROM {view};\n"
    if engine == "spark":
        call = f"CALL lake.system.register_table(table => '{table}', metadata_file => {hive_text(file)});"
        return f"-- In a catalog of Iceberg's that is called lake here.\n{STALE}\n{call}\n"
    if engine == "trino":
        call = (
            f"CALL iceberg.system.register_table(\n  schema_name => '{schema}', table_name => '{name}',\n"
            f"  table_location => {standard_text(where)}, metadata_file_name => '{metadata.rpartition('/')[2]}'\n);"
        )
        return f"{STALE}\n{call}\n"
    if engine == "snowflake":
        return (
            f"-- Once: an external volume over {url} and a catalog integration with CATALOG_SOURCE = OBJECT_STORE,\n"
            f"-- both called sensorstream here.\nCREATE ICEBERG TABLE IF NOT EXISTS {name}\n"
            f"  EXTERNAL_VOLUME = 'sensorstream' CATALOG = 'sensorstream' METADATA_FILE_PATH = '{metadata}';\n"
            f"{STALE}\nALTER ICEBERG TABLE {name} REFRESH '{metadata}';\n"
        )
    kind = (config.iceberg.catalog or {}).get("type")
    if kind is None or kind.get_secret_value() != "glue":
        raise ConfigError(
            f'--for {engine} reads an Iceberg table through AWS Glue: set "catalog" of "iceberg" to {{"type": "glue"}}'
        )
    if engine == "athena":
        made = "-- Every run keeps the table in AWS Glue: there is nothing to make."
        return f'{made}\nSELECT * FROM "{schema}"."{name}" LIMIT 10;\n'
    return f"CREATE EXTERNAL SCHEMA IF NOT EXISTS {schema} FROM DATA CATALOG DATABASE '{schema}' IAM_ROLE default;\n"
