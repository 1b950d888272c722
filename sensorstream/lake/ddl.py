"""SQL that names the lake to an engine: Athena, Redshift Spectrum, Snowflake, Trino, Spark, DuckDB. Pure.

Whoever reads the prefix needs no more than what is printed here; nothing of it reads or writes the lake.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, TypeVar, get_args

import pyarrow as pa

from ..config.settings import Config
from ..errors import ConfigError, LakeError
from ..transform.readings import SCHEMA
from .keys import READINGS, encode_tagpath, folder
from .stores.bucket import address

Engine = Literal["athena", "redshift", "snowflake", "trino", "spark", "duckdb"]
Place = tuple[str, str]  # tag path, month
HIVE = {pa.timestamp("ms", tz="UTC"): "timestamp", pa.float64(): "double", pa.string(): "string", pa.int32(): "int"}
REDSHIFT = {"timestamp": "timestamp", "double": "double precision", "string": "varchar(65535)", "int": "int"}
COLUMNS = {field.name: HIVE[field.type] for field in SCHEMA}  # as Hive calls their types
PARTITIONS_AT_ONCE = 100  # what one ALTER TABLE, or one call of Glue, may add
Item = TypeVar("Item")


def statements(config: Config, places: Sequence[Place], engine: str | None = None, *, database: str, table: str) -> str:
    """The statements that make the lake a table, or a view, of ``engine``.

    Parameters
    ----------
    places
        Tag paths and months that are committed.
    engine
        One of ``Engine``; by default the first for S3, the last for a folder.
    database, table
        Names to give; a view of Spark or DuckDB has no database.

    Raises
    ------
    ConfigError
        An engine that there is not or that reads S3 only, where the lake is a folder; a name that needs quotes.
    LakeError
        The lake holds no reading yet.
    """
    engine = engine_of(config, engine)
    check_names(database, table)
    if engine in ("spark", "duckdb"):
        return _spark(config, table) if engine == "spark" else _duckdb(config, table)
    needs_s3(config, f"--for {engine}")
    if not places:
        raise LakeError(f"lake {config.lake} holds no reading: run ingest first")
    write = {"athena": _athena, "redshift": _redshift, "snowflake": _snowflake, "trino": _trino}[engine]
    return write(config, places, database, table)


def engine_of(config: Config, engine: str | None) -> str:
    """The engine that is meant; ``ConfigError`` if there is none such."""
    engine = engine or ("athena" if config.bucket_name else "duckdb")
    if engine not in get_args(Engine):
        raise ConfigError(f'--for "{engine}" is none of {", ".join(get_args(Engine))}')
    return engine


def check_names(*names: str) -> None:
    for name in names:
        if not re.fullmatch(r"[a-z_][a-z0-9_]{0,126}", name):
            raise ConfigError(f'name "{name}" of a database or table: use small letters, digits and _')


def needs_s3(config: Config, what: str) -> None:
    if not config.bucket_name:
        raise ConfigError(f"{what} needs a lake on S3, this one is the folder {config.lake}: use --for duckdb or spark")


def portions(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """``items`` in order, at most ``size`` at a time."""
    return (items[first : first + size] for first in range(0, len(items), size))


def location(config: Config, place: Place | None = None) -> str:
    """The S3 address of the readings, or of those of one tag path and month."""
    return f"s3://{config.bucket_name}/{config.s3_directory}{folder(*place) if place else READINGS}"


def _athena(config: Config, places: Sequence[Place], database: str, table: str) -> str:
    where, (path, month) = hive_text(location(config)), places[0]
    first = min(month for _, month in places)
    columns = ",\n".join(f"  `{name}` {kind}" for name, kind in COLUMNS.items())
    # NOW is UTC: where the lake's time zone is ahead of it, a month begins there before it does here.
    return f"""\
-- A query names its tag paths by = or IN, percent-encoded as in the names of the folders:
--   SELECT * FROM {database}.{table} WHERE tagpath = {standard_text(encode_tagpath(path))} AND month >= '{month}'
-- For tag paths as they are, LIKE, and joins: sensorstream ddl --register, again whenever tags or months are new.
CREATE DATABASE IF NOT EXISTS `{database}`;

CREATE EXTERNAL TABLE IF NOT EXISTS `{database}`.`{table}` (
{columns}
)
PARTITIONED BY (`tagpath` string, `month` string)
ROW FORMAT SERDE 'org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe'
STORED AS
  INPUTFORMAT 'org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat'
  OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat'
LOCATION {where}
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.tagpath.type' = 'injected',
  'projection.month.type' = 'date',
  'projection.month.format' = 'yyyy-MM',
  'projection.month.range' = '{first},NOW+1MONTH',
  'projection.month.interval' = '1',
  'projection.month.interval.unit' = 'MONTHS',
  'storage.location.template' = {where[:-1]}tagpath=${{tagpath}}/month=${{month}}/'
);
"""


def _redshift(config: Config, places: Sequence[Place], database: str, table: str) -> str:
    columns = ",\n".join(f'  "{column}" {REDSHIFT[kind]}' for column, kind in COLUMNS.items())
    found = f"""\
-- Once, where there is no such external schema; with sensorstream ddl --register it is all that is needed:
--   CREATE EXTERNAL SCHEMA {database} FROM DATA CATALOG DATABASE '{database}'
--   IAM_ROLE default CREATE EXTERNAL DATABASE IF NOT EXISTS;
-- The partitions are those committed now; print and run them again whenever tags or months are new.
CREATE EXTERNAL TABLE {database}.{table} (
{columns}
)
PARTITIONED BY ("tagpath" varchar(1024), "month" varchar(7))
STORED AS PARQUET
LOCATION {_redshift_text(location(config))};
"""
    for some in portions(places, PARTITIONS_AT_ONCE):
        parts = (
            f"PARTITION (tagpath = {_redshift_text(path)}, month = '{month}')"
            f" LOCATION {_redshift_text(location(config, (path, month)))}"
            for path, month in some
        )
        found += f"\nALTER TABLE {database}.{table} ADD IF NOT EXISTS\n" + "\n".join(parts) + ";\n"
    return found


def _snowflake(config: Config, places: Sequence[Place], database: str, table: str) -> str:
    kinds = {"timestamp": "timestamp_ntz", "string": "varchar"}
    columns = "".join(
        f'  "{name}" {(k := kinds.get(kind, kind))} AS (value:{name}::{k}),\n' for name, kind in COLUMNS.items()
    )
    parts = ",\n".join(
        f"  {name} varchar AS (split_part(split_part(metadata$filename, '/{name}=', 2), '/', 1))"
        for name in ("tagpath", "month")
    )
    return f"""\
-- Once: a stage called sensorstream over {location(config)}
-- Tag paths are percent-encoded as in the names of the folders.
CREATE OR REPLACE EXTERNAL TABLE {table} (
{columns}{parts}
)
PARTITION BY (tagpath, month) LOCATION = @sensorstream AUTO_REFRESH = FALSE FILE_FORMAT = (TYPE = PARQUET);
-- Again after each run:
ALTER EXTERNAL TABLE {table} REFRESH;
"""


def _trino(config: Config, places: Sequence[Place], database: str, table: str) -> str:
    kinds = {"timestamp": "timestamp(3)", "string": "varchar", "int": "integer"}
    columns = ", ".join(f"{name} {kinds.get(kind, kind)}" for name, kind in COLUMNS.items())
    return f"""\
CREATE TABLE hive.{database}.{table} ({columns}, tagpath varchar, month varchar)
WITH (format = 'PARQUET', external_location = {standard_text(location(config))}, 
  partitioned_by = ARRAY['tagpath', 'month']);
-- Again whenever tags or months are new:
CALL hive.system.sync_partition_metadata('{database}', '{table}', 'FULL');
"""


def _spark(config: Config, table: str) -> str:
    where = location(config).replace("s3://", "s3a://", 1) if config.bucket_name else _folder(config)
    columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    return f"""\
-- With its columns named, a tag path that looks like a number stays text.
CREATE OR REPLACE TEMPORARY VIEW {table} ({columns}, tagpath string, month string)
USING parquet OPTIONS (path {hive_text(where)});
"""


def _duckdb(config: Config, table: str) -> str:
    where = location(config) if config.bucket_name else _folder(config)
    return f"""\
{duckdb_access(config)}CREATE OR REPLACE VIEW {table} AS SELECT * FROM read_parquet(
  {standard_text(glob.escape(where) + "**/*.parquet")}, hive_partitioning = true, hive_types_autocast = false
);
"""


def duckdb_access(config: Config) -> str:
    """What DuckDB needs to read S3; nothing for a folder."""
    if not config.bucket_name:
        return ""
    options = ["TYPE s3", "PROVIDER credential_chain"]
    if config.s3_region:
        options.append(f"REGION {standard_text(config.s3_region)}")
    if config.s3_endpoint_url:
        scheme, _, host = config.s3_endpoint_url.rpartition("://")
        options.append(f"ENDPOINT {standard_text(host.rstrip('/'))}")
        options += ["USE_SSL false"] if scheme == "http" else []
    _, virtual_hosted = address(config)
    options += [] if virtual_hosted else ["URL_STYLE 'path'"]
    return f"INSTALL httpfs;\nINSTALL aws;\nCREATE OR REPLACE SECRET sensorstream ({', '.join(options)});\n"


def _folder(config: Config) -> str:
    return f"{Path(str(config.local_path)).resolve()}/{READINGS}"


def standard_text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _redshift_text(text: str) -> str:
    """A literal of Redshift, where a backslash escapes as well."""
    return standard_text(text.replace("\\", "\\\\"))


def hive_text(text: str) -> str:
    """A literal of Hive's DDL, which Athena has, and of Spark's SQL."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
