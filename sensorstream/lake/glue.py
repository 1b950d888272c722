"""The lake as a table of the AWS Glue Data Catalog: Athena, Redshift Spectrum and Spark on EMR find it there.

Partition values are tag paths as they are; only the location of a partition is percent-encoded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from ..config.credentials import UNTRUSTED
from ..config.settings import Config
from ..errors import ConfigError, LakeError
from .ddl import COLUMNS, PARTITIONS_AT_ONCE, Place, check_names, location, needs_s3, portions

DELETED_AT_ONCE = 25  # what one call of Glue may remove
HIVE_PARQUET = "org.apache.hadoop.hive.ql.io.parquet"
KEYS = [{"Name": "tagpath", "Type": "string"}, {"Name": "month", "Type": "string"}]


@dataclass(frozen=True)
class Registered:
    """What registering changed: the table's name, counts of partitions."""

    name: str
    partitions: int
    added: int
    removed: int


def register(config: Config, places: Sequence[Place], *, database: str, table: str) -> Registered:
    """Make the Glue table what the lake is: the database and the table if missing, partitions that are new or gone.

    Parameters
    ----------
    places
        Tag paths and months that are committed.

    Raises
    ------
    ConfigError
        The lake is a folder, a name needs quotes, or a table of that name is about something else.
    LakeError
        Glue cannot be reached or refuses.
    """
    needs_s3(config, "--register")
    check_names(database, table)
    name = {"DatabaseName": database, "TableName": table}
    with _errors(f"{database}.{table}"):
        client = config.aws.client("glue")
        _put_table(client, config, database, table)
        pages = client.get_paginator("get_partitions").paginate(**name, ExcludeColumnSchema=True)
        there = {(*found["Values"], found["StorageDescriptor"]["Location"]) for found in pages.search("Partitions[]")}
        wanted = {(*place, location(config, place)) for place in places}
        gone, new = sorted(there - wanted), sorted(wanted - there)
        # First what is gone: a partition whose location has changed is both.
        for some in portions(gone, DELETED_AT_ONCE):
            values = [{"Values": [path, month]} for path, month, _ in some]
            _all_done(client.batch_delete_partition(**name, PartitionsToDelete=values), "EntityNotFoundException")
        for some in portions(new, PARTITIONS_AT_ONCE):
            inputs = [{"Values": [path, month], "StorageDescriptor": _storage(where)} for path, month, where in some]
            _all_done(client.batch_create_partition(**name, PartitionInputList=inputs), "AlreadyExistsException")
    return Registered(f"{database}.{table}", len(wanted), len(new), len(gone))


def _put_table(client: Any, config: Config, database: str, table: str) -> None:
    wanted = {
        "Name": table,
        "Description": "Sensor readings, one partition a tag path and month.",
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"EXTERNAL": "TRUE", "classification": "parquet"},
        "PartitionKeys": KEYS,
        "StorageDescriptor": _storage(location(config)),
    }
    try:
        found = client.get_table(DatabaseName=database, Name=table)["Table"]
    except client.exceptions.EntityNotFoundException:
        with suppress(client.exceptions.AlreadyExistsException):
            client.create_database(DatabaseInput={"Name": database})
        client.create_table(DatabaseName=database, TableInput=wanted)
        return
    where = found.get("StorageDescriptor", {}).get("Location", "nowhere")
    if where.rstrip("/") != location(config).rstrip("/"):
        raise ConfigError(f"Glue table {database}.{table} is of {where}, not of this lake: choose another --table")
    if [(key["Name"], key["Type"]) for key in found.get("PartitionKeys", [])] != [(k["Name"], k["Type"]) for k in KEYS]:
        raise ConfigError(
            f"Glue table {database}.{table} is not partitioned by tagpath and month: drop it or choose another --table"
        )
    if any(_differs(found.get(key), value) for key, value in wanted.items()):
        client.update_table(DatabaseName=database, TableInput=wanted)


def _differs(found: Any, wanted: Any) -> bool:
    """Whether ``found`` lacks any of ``wanted``; what Glue adds of its own does not count."""
    if isinstance(wanted, dict):
        return not isinstance(found, dict) or any(_differs(found.get(key), value) for key, value in wanted.items())
    return bool(found != wanted)


def _storage(where: str) -> dict[str, Any]:
    return {
        "Columns": [{"Name": name, "Type": kind} for name, kind in COLUMNS.items()],
        "Location": where,
        "InputFormat": f"{HIVE_PARQUET}.MapredParquetInputFormat",
        "OutputFormat": f"{HIVE_PARQUET}.MapredParquetOutputFormat",
        "SerdeInfo": {
            "SerializationLibrary": f"{HIVE_PARQUET}.serde.ParquetHiveSerDe",
            "Parameters": {"serialization.format": "1"},
        },
    }


def _all_done(answer: dict[str, Any], fine: str) -> None:
    """``LakeError`` for the first partition that Glue refused; ``fine`` is what another registration may have done."""
    for failed in answer.get("Errors", []):
        if (why := failed["ErrorDetail"])["ErrorCode"] != fine:
            values = "/".join(failed["PartitionValues"])
            raise LakeError(f"Glue refused partition {values}: {why['ErrorCode']}, {why.get('ErrorMessage', '')}")


@contextmanager
def _errors(name: str) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError, SSLError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        remedy = "check the role or profile, its policy (glue:*Database, *Table, *Partition*), and the region"
        raise LakeError(
            f"Glue table {name}: {error}: {UNTRUSTED if isinstance(error, SSLError) else remedy}"
        ) from error
