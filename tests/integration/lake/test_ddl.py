"""``sensorstream ddl``: statements that engines take, and the table in the Glue catalog (of moto)."""

from __future__ import annotations

import json
import re

import boto3
import pytest

from sensorstream.cli.main import main
from sensorstream.lake.ddl import statements
from sensorstream.lake.keys import encode_tagpath
from sensorstream.lake.manifest import DataFile, MonthChange, read_manifest, swap_root, write_states
from sensorstream.lake.stores import open_store
from sensorstream.windows import month_window

NAMES = {"database": "plant", "table": "readings"}
ODD = "plant1/it's 100 %\\√"


def commit(config, added=(), removed=()) -> None:
    """Make the manifest say that those (tag path, month) are committed, or no more."""
    store = open_store(config)
    manifest = read_manifest(store)
    changes: dict[str, MonthChange] = {}
    for month in {month for _, month in (*added, *removed)}:
        new, gone = (frozenset(entry(path, month) for path, when in some if when == month) for some in (added, removed))
        changes[month] = MonthChange(added=new, removed=gone)
    swap_root(manifest, write_states(manifest, changes))


def entry(path: str, month: str) -> DataFile:
    whole = month_window(month, "UTC")
    return DataFile(
        path, month, whole.start_ms // 1000, whole.end_ms // 1000, 1, whole.start_ms, whole.start_ms, 1, "0"
    )


@pytest.fixture
def said(make_config, tmp_path, capsys):
    """``said(config, *arguments)``: standard output and error of ``sensorstream ddl``, and its exit code."""

    def run(config, *arguments: str) -> tuple[str, str, int]:
        file = tmp_path / "config.json"
        values = config.model_dump(mode="json") | {"db": {}}
        file.write_text(json.dumps(values))
        with pytest.raises(SystemExit) as end:
            main(["ddl", "--config", str(file), *arguments])
        out, err = capsys.readouterr()
        return out, err, end.value.code

    return run


def test_athena_projects_the_months_and_takes_the_tag_path_from_the_query(make_config, said):
    config = make_config(lake="s3")
    commit(config, [(ODD, "2026-10"), ("tag", "2026-09")])
    out, _, code = said(config, "--database", "plant")
    assert code == 0 and "CREATE EXTERNAL TABLE IF NOT EXISTS `plant`.`readings` (" in out
    properties = dict(re.findall(r"^  '(.+)' = '(.+)',?$", out, re.MULTILINE))
    assert properties == {
        "projection.enabled": "true",
        "projection.tagpath.type": "injected",
        "projection.month.type": "date",
        "projection.month.format": "yyyy-MM",
        "projection.month.range": "2026-09,NOW+1MONTH",
        "projection.month.interval": "1",
        "projection.month.interval.unit": "MONTHS",
        "storage.location.template": config.lake + "readings/tagpath=${tagpath}/month=${month}/",
    }
    # The comment's own query, taken through the template, names the folder of its tag path.
    value = re.search(r"WHERE tagpath = '(\S+)' AND month >= '2026-10'", out)[1]
    named = properties["storage.location.template"].replace("${tagpath}", value).replace("${month}", "2026-10")
    assert named == config.lake + entry(ODD, "2026-10").key.rpartition("/")[0] + "/"


def test_redshift_gets_every_committed_partition_a_hundred_a_statement(make_config):
    config = make_config(lake="s3")
    places = [(ODD, "2026-10"), *((f"tag{n}", "2026-10") for n in range(249))]
    out = statements(config, places, "redshift", **NAMES)
    adds = out.split("ALTER TABLE plant.readings ADD IF NOT EXISTS\n")[1:]
    assert [statement.count("PARTITION (") for statement in adds] == [100, 100, 50]
    path = "plant1%2Fit%27s%20100%20%25%5C√"
    assert encode_tagpath(ODD) == path
    assert adds[0].splitlines()[0] == (
        r"PARTITION (tagpath = 'plant1/it''s 100 %\\√', month = '2026-10')"
        f" LOCATION '{config.lake}readings/tagpath={path}/month=2026-10/'"
    )
    assert 'PARTITIONED BY ("tagpath" varchar(1024), "month" varchar(7))' in out


def test_what_a_folder_or_a_name_cannot_do_is_refused_in_a_sentence(make_config, said):
    config = make_config(lake="local")
    commit(config, [("a", "2026-10")])
    assert said(config)[0].startswith("CREATE OR REPLACE VIEW readings AS SELECT * FROM read_parquet(")
    for arguments, says in [
        (["--for", "athena"], "--for athena needs a lake on S3, this one is the folder"),
        (["--for", "redshift"], "use --for duckdb or spark"),
        (["--register"], "--register needs a lake on S3"),
        (["--for", "oracle"], "'--for': 'oracle' is not one of 'athena', 'redshift', 'snowflake', 'trino', "),
        (["--register", "--for", "athena"], "leave out --for"),
        (["--table", "My-Table"], 'name "My-Table" of a database or table: use small letters'),
    ]:
        out, err, code = said(config, *arguments)
        assert (out, code, err.count("\n")) == ("", 2, 1) and says in err


def test_a_lake_that_is_not_there_or_empty_is_refused(make_config, said):
    config = make_config(lake="s3")
    _, err, code = said(config)
    assert code == 5 and "has no _sensorstream/manifest.json" in err
    commit(config)
    _, err, code = said(config)
    assert code == 5 and "holds no reading: run ingest first" in err


@pytest.fixture
def glue(sandbox, monkeypatch):
    """Glue as the sandbox's moto plays it."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_GLUE", sandbox.secrets_endpoint)
    client = boto3.client("glue", region_name=sandbox.region)
    yield client
    for database in client.get_databases()["DatabaseList"]:
        client.delete_database(Name=database["Name"])


def partitions(client, **name: str) -> dict[tuple[str, ...], str]:
    found = client.get_paginator("get_partitions").paginate(DatabaseName="plant", TableName="readings")
    return {tuple(p["Values"]): p["StorageDescriptor"]["Location"] for page in found for p in page["Partitions"]}


def test_registering_makes_the_glue_table_what_the_lake_is_and_again_changes_nothing(glue, make_config, said):
    config = make_config(lake="s3")
    places = [(ODD, "2026-10"), *((f"tag{n}", "2026-10") for n in range(249))]
    commit(config, places)
    out, err, code = said(config, "--register", "--database", "plant")
    assert (out, code) == ("Glue table plant.readings: 250 partitions, 250 added, 0 removed\n", 0), err
    wanted = {place: f"{config.lake}{entry(*place).key.rpartition('/')[0]}/" for place in places}
    assert partitions(glue) == wanted
    table = glue.get_table(DatabaseName="plant", Name="readings")["Table"]
    assert [(c["Name"], c["Type"]) for c in (*table["StorageDescriptor"]["Columns"], *table["PartitionKeys"])] == [
        ("datetime", "timestamp"), ("value", "double"), ("text", "string"), ("quality", "int"),
        ("tagpath", "string"), ("month", "string"),
    ]  # fmt: skip
    assert said(config, "--register", "--database", "plant")[0].endswith("250 partitions, 0 added, 0 removed\n")
    versions = glue.get_table_versions(DatabaseName="plant", TableName="readings")["TableVersions"]
    assert len(versions) == 1 and partitions(glue) == wanted

    commit(config, [("new", "2026-11")], removed=places[:40])
    assert said(config, "--register", "--database", "plant")[0].endswith("211 partitions, 1 added, 40 removed\n")
    assert set(partitions(glue)) == {*places[40:], ("new", "2026-11")}


def test_a_table_that_was_changed_is_put_right_and_one_of_another_place_is_left_alone(glue, make_config, said):
    config = make_config(lake="s3")
    commit(config, [("a", "2026-10")])
    said(config, "--register", "--database", "plant")
    table = glue.get_table(DatabaseName="plant", Name="readings")["Table"]
    input_ = {key: table[key] for key in ("Name", "TableType", "PartitionKeys", "StorageDescriptor")}
    columns = input_["StorageDescriptor"].pop("Columns")
    bent = {**input_, "StorageDescriptor": {**input_["StorageDescriptor"], "Columns": columns[:1]}}
    glue.update_table(DatabaseName="plant", TableInput=bent)
    said(config, "--register", "--database", "plant")
    assert glue.get_table(DatabaseName="plant", Name="readings")["Table"]["StorageDescriptor"]["Columns"] == columns

    other = make_config(lake="s3")
    commit(other, [("a", "2026-10")])
    _, err, code = said(other, "--register", "--database", "plant")
    assert code == 2 and f"is of {config.lake}readings/, not of this lake" in err
    assert partitions(glue) == {("a", "2026-10"): f"{config.lake}readings/tagpath=a/month=2026-10/"}


def test_a_catalog_out_of_reach_is_said_in_one_sentence(make_config, said, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_GLUE", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    config = make_config(lake="s3")
    commit(config, [("a", "2026-10")])
    _, err, code = said(config, "--register")
    assert code == 5 and err.count("\n") == 1 and "Glue table sensorstream.readings: Could not connect" in err
