"""Readings as a Spark DataFrame to bend before they are published, and back into the lake.

::

    df = sensorstream.read_historian(config, window, ["^plant1/"])
    sensorstream.publish(config, df.where("value < 400"), window)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from warnings import warn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..config.settings import Config
from ..errors import ConfigError
from ..historian import open_historian
from ..historian.values_sql import PLAIN
from ..lake.keys import storable
from ..lake.stores import reached_store
from ..planning import make_plan
from ..planning.plan import workers_of
from ..publishing.publish import Scope, look
from ..publishing.publish import publish as publish_files
from ..spark.package import guarded, spark_schema
from ..spark.session import spark_errors
from ..staging.jdbc_on_spark import clean_jdbc
from ..staging.on_spark import measure, persisted
from ..staging.packed_on_spark import clean_packed
from ..staging.staged_files import StagedOnSpark
from ..transform.clean import Tally, digits_kept
from ..transform.readings import SCHEMA
from ..transform.staged_rows import READINGS, STAGED, Target, files, tally_row
from ..windows import Window, WindowLike, as_window
from .clock import Clock
from .run_record import RunRecord, run_id
from .session import spark_session

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

NEEDED = ("tagpath", "datetime", "value")
# Spark's names of the types that a column may have: whatever else would be cast without a word.
WHOLE = ("integer", "long", "short", "byte")
KINDS = {
    "tagpath": ("string",),
    "datetime": ("timestamp",),
    "value": ("double", "float", "decimal", "boolean", "void", *WHOLE),
    "text": ("string", "void"),
    "quality": WHOLE,
}


def read_historian(
    config: Config, window: WindowLike, patterns: Sequence[str] | None = None, *, spark: SparkSession | None = None
) -> DataFrame:
    """The clean readings of ``window`` straight from the historian, as ``ingest`` would leave them.

    Lazy: each use queries the historian again and sees what is committed then, so persist what is used twice.

    Parameters
    ----------
    config
        Where historian and lake are, see ``load``.
    window
        A ``Window``, or a day of the configured time zone: text such as ``2026-10-14`` or a date.
    patterns
        PostgreSQL regular expressions of tag paths; those of ``config`` by default.
    spark
        The session; by default the one that runs, else a new one as ``config`` asks for it.

    Returns
    -------
    pyspark.sql.DataFrame
        ``tagpath string, datetime timestamp, value double, text string, quality int``, in no set order.

    Raises
    ------
    ConfigError, SourceError
        As ``plan`` does.
    """
    window, session = as_window(window, config.timezone), spark or spark_session(config)
    with open_historian(config) as historian:
        what = make_plan.make_plan(
            historian,
            config,
            window,
            config.patterns(patterns),
            workers=workers_of(session.sparkContext.master),
            alone=True,
        )
    if not what.tables:
        return session.createDataFrame(READINGS.empty_table())
    read = {"packed": clean_packed, "jdbc": clean_jdbc}[config.engine]
    return read(session, what, config)


def publish(config: Config, df: DataFrame, window: WindowLike, *, tags: Sequence[str] | None = None) -> RunRecord:
    """Put a DataFrame of readings into the lake, in place of what it holds of those tags in ``window``.

    Parameters
    ----------
    config
        Where historian and lake are, see ``load``.
    df
        ``tagpath``, ``datetime`` (whole milliseconds) and ``value``; ``text`` and ``quality`` if there are any (none
        and 192 otherwise). One reading a tag path and time, all in ``window``. Digits of a number that no double
        holds become its text, where it has none.
    window
        A ``Window``, or a day of the configured time zone: text such as ``2026-10-14`` or a date.
    tags
        Tag paths that are replaced; those that ``df`` holds by default. A path without a reading is emptied.

    Returns
    -------
    RunRecord
        Counts that add up, as for ``ingest``.

    Raises
    ------
    ConfigError
        A column is missing, unknown or of the wrong type, or a reading is doubled, outside the window or of no time.
    LakeError, WindowBusy
        As ``ingest`` does; the lake is untouched.
    """
    from pyspark.sql import functions as F

    if isinstance(df, Config):
        warn("publish(df, config, window) is now publish(config, df, window)", DeprecationWarning, stacklevel=2)
        config, df = df, config
    clock, window = Clock(), as_window(window, config.timezone)
    given, target = _as_readings(df), Target.of(config)

    def encode_group(key: tuple[pa.Scalar, ...], rows: pa.Table) -> pa.Table:
        path = key[0].as_py()
        kept = checked(path, rows, window)
        found = pc.value_counts(kept.column("quality")).to_pylist()
        codes = Counter({str(code["values"]): code["counts"] for code in found})
        tally = Tally(kept.num_rows, kept.num_rows, codes=codes, digits=len(digits_kept(kept)))
        return pa.Table.from_pylist([*files(path, kept, window, target), tally_row(tally)], schema=STAGED)

    store = reached_store(config)
    with clock.phase("extract"), spark_errors():
        grouped = given.groupBy(F.coalesce("tagpath", F.lit("")).alias("path"))
        staging = grouped.applyInArrow(guarded(df.sparkSession, encode_group), spark_schema(STAGED))
        with persisted(staging) as staged:
            found = measure(staged)
            tally = found.tally
            with clock.phase("publish"):
                paths = _paths({entry.tagpath for entry in found.entries}, tags)
                storable(paths, prefix=config.prefix, iceberg=config.iceberg is not None)
                scope = Scope.of(config, window, paths, (month for month, _ in window.months(config.timezone)))
                staged_files = StagedOnSpark(staged, found.entries, config)
                append = config.write_mode == "append"
                run = run_id(window, sorted(paths))
                done, _ = publish_files(staged_files, store, scope, look(store, scope), append=append, run=run)
    return RunRecord(
        run_id=run,
        started=clock.started.isoformat(timespec="milliseconds"),
        finished=datetime.now(UTC).isoformat(timespec="milliseconds"),
        engine="dataframe",
        window=window.to_json(),
        patterns=[],
        tags_selected=len(paths),
        partition_tables=[],
        rows_read=tally.read,
        rows_written=tally.written,
        rows_rejected={},
        rows_deduplicated=0,
        quality_codes=dict(sorted(tally.codes.items())),
        digits_in_text=tally.digits,
        **asdict(done),
        seconds=clock.seconds(),
        source_snapshot="",
    )


def _paths(held: Collection[str], tags: Sequence[str] | None) -> frozenset[str]:
    """The tag paths that are replaced, of a DataFrame that holds some."""
    paths = frozenset(held if tags is None else tags)
    if others := sorted({*held} - paths):
        raise ConfigError(
            f'the DataFrame holds readings of {len(others):,} tag paths that "tags" does not name,'
            f" {others[0]} for one: name them, or leave their readings out"
        )
    return paths


def checked(path: str, rows: pa.Table, window: Window) -> pa.Table:
    """Readings of one path (``READINGS``) as the lake holds them, sorted; ``ConfigError`` says what is wrong."""
    if not path:
        raise ConfigError("a reading has no tagpath: give it one or drop it")
    rows = rows.select(READINGS.names).combine_chunks()
    for name in ("datetime", "quality"):
        if rows.column(name).null_count:
            raise ConfigError(f"a reading of {path} has no {name}: give it one or drop it")
    micros = rows.column("datetime").cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy()
    order = np.argsort(micros, kind="stable")
    micros = micros[order]
    problems = (
        (micros % 1000 != 0, "at a part of a millisecond: round the times"),
        ((micros < window.start_ms * 1000) | (micros >= window.end_ms * 1000), f"outside {window}: widen the window"),
        (np.append(np.diff(micros) == 0, False), "twice: keep one of them"),
    )
    for where, what in problems:
        if where.any():
            time = datetime.fromtimestamp(int(micros[where][0]) / 1e6, UTC)
            raise ConfigError(f"{path} has a reading of {time.isoformat()} {what}")
    taken = rows.take(pa.array(order))
    codes = taken.column("quality").to_numpy()
    for code in codes[(codes < -(1 << 31)) | (codes >= 1 << 32)][:1]:
        raise ConfigError(f"{path} has a reading of quality {code}, which is no code of 32 bits: correct it")
    times = pa.array(micros // 1000).view(pa.timestamp("ms", tz="UTC"))
    quality = pa.array(codes.astype(np.int32))  # one without a sign by its bits
    return pa.table([times, taken.column("value"), taken.column("text"), quality], schema=SCHEMA)


def _as_readings(df: DataFrame) -> DataFrame:
    """The columns of ``READINGS``, with those that may be left out; ``ConfigError`` for a missing or unknown one."""
    from pyspark.sql import functions as F

    missing = [name for name in NEEDED if name not in df.columns]
    if missing:
        raise ConfigError(f"the DataFrame has no column {missing[0]} (it has {', '.join(df.columns)})")
    unknown = [name for name in df.columns if name not in READINGS.names]
    if unknown:
        raise ConfigError(f"the lake has no column {unknown[0]}: drop it, the columns are {', '.join(READINGS.names)}")
    if len({*df.columns}) < len(df.columns):
        raise ConfigError(f"the DataFrame has a column twice ({', '.join(df.columns)}): drop one of them")
    for column in df.schema:
        if (kind := column.dataType.typeName()) not in KINDS[column.name]:
            raise ConfigError(f"column {column.name} is of type {kind}, not {KINDS[column.name][0]}: cast it")
    if "text" not in df.columns:
        df = df.withColumn("text", F.lit(None).cast("string"))
    if "quality" not in df.columns:
        df = df.withColumn("quality", F.lit(PLAIN))
    # Whole numbers and decimals that a double cannot hold keep their digits, as those of the historian do.
    exact = F.lit(True)
    if (number := df.schema["value"].dataType).typeName() in ("long", "decimal"):
        kinds = sorted({number.simpleString(), "bigint"})
        same = " OR ".join(f"try_cast(CAST(value AS double) AS {kind}) <=> value" for kind in kinds)
        # Of 2^63 Spark makes the largest bigint, which no double is.
        exact = F.expr(f"({same}) AND NOT value <=> {2**63 - 1}")
    text = F.when(exact, F.col("text")).otherwise(F.coalesce("text", F.col("value").cast("string"))).cast("string")
    value, quality = F.col("value").cast("double"), F.col("quality").cast("long")
    path = F.col("tagpath").cast("string").alias("tagpath")  # whatever its collation holds for one
    return df.select(path, "datetime", value, text.alias("text"), quality)
