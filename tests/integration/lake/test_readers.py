"""Readers that know nothing of this project find in the lake what the historian holds, whatever its tags are called."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

import boto3
import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from pyarrow import fs

import sensorstream
from sensorstream.config.settings import Config
from sensorstream.errors import ConfigError
from sensorstream.lake.ddl import statements
from sensorstream.pipeline.ingest import ingest
from sensorstream.windows import window_of
from tests.historians import small_historian
from tests.oracle import Row, objects

DAYS = window_of("UTC", start="2026-10-30", end="2026-11-02")
T0 = DAYS.start_ms

HOSTILE = [
    "plant1/press/temperature", "[default]plant1/press", "/a", "a/", "a//b", "//", "a%b", "a%2Fb", "a%252Fb", "%",
    "%zz", "a=b", "=", "tagpath=1", "month=2026-11", "a:b", "a*b", "**", "a?b", "a#b", "a+b", "a&b", "a;b", "a,b",
    "a|b", "a$b", "${tagpath}", "a@b", "a^b", "a~b", "a<b>", "a`b", "a'b", 'a"b', "a\\b", "{}", "{a,b}", "a[0-9]b",
    "!a", "(a)", "a b", " a", "a ", "  ", "\u00a0", "a\tb", "a\nb", "a\rb", "\x01\x1f\x7f", "\u0085", "\u2028",
    "\ufeff", "é", "e\u0301", "Grüße/Ofen 1", "日本/温度", "😀", "العربية", "A", "a", "\u0130",
    ".", "..", "../../etc", ".hidden", "/.hidden/x", "_hidden", "~",
    "007", "42", "-1", "3.14", "1e5", "0x10", "nan", "inf", "true", "null", "None", "2026-10-14", "2026-10", "12:30:00",
    "x" * 247, "é" * 123,
]  # fmt: skip
NUMBERS = ["007", "7", "42"]  # nothing among them says that they are text
LONG = ["x" * 255, "é" * 255, "/" * 255]

HIVE = ds.partitioning(pa.schema([("tagpath", pa.string()), ("month", pa.string())]), flavor="hive")
TEXTS = {"tagpath": pl.String, "month": pl.String}
Held = tuple[dict[str, int], dict[str, float]]  # of each tag path the count of readings and the sum of values


def held(rows: Iterable[tuple[str, float]]) -> Held:
    counts: Counter[str] = Counter()
    sums: dict[str, float] = defaultdict(float)
    for path, value in rows:
        counts[path] += 1
        sums[path] += value
    return dict(counts), dict(sums)


def of_table(table: pa.Table) -> Held:
    return held(zip(table.column("tagpath").to_pylist(), table.column("value").to_pylist(), strict=True))


@pytest.fixture
def filled(database, make_config):
    """``filled(lake, paths)``: a lake of those tags over a month's border, by a real run, and what it must hold."""

    def fill(lake: str, paths: list[str]) -> tuple[Config, Held]:
        rows = [Row(n, T0 + k * 86_400_000 + n, n + k / 4) for n in range(len(paths)) for k in range(1 + n % 3)]
        small_historian(database, rows, dict(enumerate(paths)))
        config = make_config(dbname=database.name, lake=lake)
        ingest(config, DAYS)
        return config, held((paths[row.tagid], row.value or 0.0) for row in rows)

    return fill


@pytest.mark.parametrize(
    ("lake", "paths"),
    [("local", HOSTILE), ("s3", HOSTILE), ("local", NUMBERS), ("s3", NUMBERS)],
    ids=["hostile, folder", "hostile, s3", "numbers, folder", "numbers, s3"],
)
def test_every_reader_finds_the_same_readings_under_the_same_tag_paths(lake, paths, filled, spark, tmp_path):
    config, wanted = filled(lake, paths)
    assert set(wanted[0]) == set(paths)
    found = {"sensorstream": of_table(sensorstream.read_lake(config, DAYS.start, DAYS.end))}
    if lake == "s3":
        found |= on_s3(config)
        config = copied_down(config, tmp_path / "copy")
    found |= in_folder(config, spark)
    assert {name: held for name, held in found.items() if held != wanted} == {}


def in_folder(config: Config, spark) -> dict[str, Held]:
    """Each reader on the lake's folder, as the README says."""
    readings = f"{config.local_path}/readings/"
    duck, names = duckdb.connect(), {"database": "unused", "table": "readings"}
    duck.execute(statements(config, [], "duckdb", **names))
    spark.sql(statements(config, [], "spark", **names))
    inferred = "spark.sql.sources.partitionColumnTypeInference.enabled"
    spark.conf.set(inferred, "false")
    try:
        plain = spark.read.parquet(readings).toArrow()
    finally:
        spark.conf.unset(inferred)
    query = (
        f"SELECT * FROM read_parquet('{readings}**/*.parquet', hive_partitioning = true, hive_types_autocast = false)"
    )
    return {
        "pyarrow": of_table(ds.dataset(readings, partitioning=HIVE).to_table()),
        "polars": of_table(pl.scan_parquet(readings, hive_schema=TEXTS).collect().to_arrow()),
        "duckdb": of_table(duck.sql(query).to_arrow_table()),
        "duckdb view": of_table(duck.table("readings").to_arrow_table()),
        "spark": of_table(plain),
        "spark view": of_table(spark.table("readings").toArrow()),
    }


def on_s3(config: Config) -> dict[str, Held]:
    """The readers that have an S3 client of their own here."""
    where = f"{config.bucket_name}/{config.s3_directory}readings/"
    keys = boto3.Session().get_credentials().get_frozen_credentials()
    store = fs.S3FileSystem(
        endpoint_override=config.s3_endpoint_url,
        region=config.s3_region,
        access_key=keys.access_key,
        secret_key=keys.secret_key,
    )
    options = {
        "aws_endpoint_url": config.s3_endpoint_url,
        "aws_region": config.s3_region,
        "aws_access_key_id": keys.access_key,
        "aws_secret_access_key": keys.secret_key,
        "aws_allow_http": "true",
    }
    scan = pl.scan_parquet(f"s3://{where}", hive_schema=TEXTS, storage_options=options)
    return {
        "pyarrow on S3": of_table(ds.dataset(where, filesystem=store, partitioning=HIVE).to_table()),
        "polars on S3": of_table(scan.collect().to_arrow()),
    }


def copied_down(config: Config, folder: Path) -> Config:
    """The lake as a folder, every object under its key."""
    for key, data in objects(config).items():
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(data)
    return config.model_copy(update={"bucket_name": None, "local_path": str(folder)})


def test_a_path_of_255_characters_is_kept_on_s3_and_refused_by_name_for_a_folder(filled):
    config, wanted = filled("s3", LONG)
    found = on_s3(config) | {"sensorstream": of_table(sensorstream.read_lake(config, DAYS.start, DAYS.end))}
    assert {name: held for name, held in found.items() if held != wanted} == {}


@pytest.mark.parametrize(
    ("lake", "path", "says"),
    [
        ("local", "x" * 248, 'tag path "x{40}…" would be a name of 256 bytes, and a folder holds names of 255'),
        ("s3", "😀" * 255, 'tag path "😀{40}…" would be a key of [0-9,]+ bytes, and S3 holds keys of 1,024'),
        ("s3", "a\uffff", r'tag path "a\\uffff" has a character'),
        ("s3", "", 'tag path "" reads as none'),
        ("local", "__HIVE_DEFAULT_PARTITION__", 'tag path "__HIVE_DEFAULT_PARTITION__" reads as none'),
    ],
    ids=["folder", "s3", "no xml", "empty", "hive's own"],
)
def test_a_path_that_no_reader_could_find_is_refused_before_anything_is_read(lake, path, says, filled, make_config):
    with pytest.raises(ConfigError, match=f'^{says}.*: leave it out [(]"sensor_patterns"[)]'):
        filled(lake, ["a", path])
