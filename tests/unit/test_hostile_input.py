"""Whatever stands in a file or an answer that somebody else wrote: a result or a sentence, never a traceback.

A few examples of each kind here; ten thousand, always the same, among the slow tests.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import strategies as st

from sensorstream.airflow.notify import in_chat
from sensorstream.config.airflow_variables import HANDED_ON, SINGLE, WHOLE
from sensorstream.config.credentials import Login, secret_object, with_secret
from sensorstream.config.settings import Config, Database
from sensorstream.config.sources import load
from sensorstream.config.tag_details import tag_details
from sensorstream.errors import ConfigError, LakeError, SensorStreamError
from sensorstream.exploration.from_rejected import RejectedReader
from sensorstream.formatting import printable
from sensorstream.lake.keys import TAGS, reading_key, storable
from sensorstream.lake.manifest import FILES, PIECES, ROOT, read_manifest
from sensorstream.lake.rejected import read_rejected, rejected_objects
from sensorstream.lake.scan import last_day, places, read_lake, tags
from sensorstream.lake.stores import open_store
from sensorstream.lake.tag_metadata import SCHEMA as TAG_COLUMNS
from sensorstream.publishing.compaction import compact
from sensorstream.publishing.holder import this_process
from sensorstream.publishing.lease import JOURNAL, recover
from sensorstream.report import index_page, run_history
from sensorstream.report.comparison import gaps_in
from sensorstream.report.outcome import Outcome
from sensorstream.sandbox.replay_csv import read_series
from sensorstream.transform.readings import SCHEMA
from sensorstream.verification.audit_objects import at_rest
from sensorstream.verification.repair import _files_there
from sensorstream.windows import window_of
from tests.configs import lakes_in
from tests.hostile import ANYTHING, FEW_OR_MANY, TEXTS, Page, a_sentence, bent, damaged, hold, steers
from tests.lakes import publish, scope_of
from tests.unit.report.test_run_page import DAY, RECORD

WINDOW = window_of("UTC", start="2026-10-14", end="2026-10-16")
ODD = "plant/ü b%"
LEAST = {"db": {"password": "hunter2"}, "bucket_name": "lake"}
# -- configuration -----------------------------------------------------------------------------------------------------


@FEW_OR_MANY
def test_any_file_is_a_configuration_or_a_sentence(examples, tmp_path):
    file = tmp_path / "c.json"
    whole = json.loads(json.dumps(load_least(file).masked())) | {"db": {"password": "hunter2"}, "layout": "auto"}
    keys = st.sampled_from([*Config.model_fields, *(f"db.{key}" for key in Database.model_fields), "x"])

    def test(data: bytes) -> None:
        file.write_bytes(data)
        try:
            config = load(file)
        except ConfigError as error:
            a_sentence(error)
        else:
            assert load(file) == config and config.lake.isprintable()

    one = st.tuples(keys, ANYTHING).map(lambda pair: json.dumps(LEAST | {pair[0]: pair[1]}).encode())
    hold(examples, test, one | damaged(LEAST).map(lambda v: json.dumps(v).encode()) | bent(json.dumps(whole).encode()))


def load_least(file: Path) -> Config:
    file.write_text(json.dumps(LEAST))
    return load(file)


@FEW_OR_MANY
def test_any_airflow_variable_is_a_configuration_or_a_sentence(examples, monkeypatch):
    def test(name: str, text: str) -> None:
        monkeypatch.setenv(HANDED_ON, json.dumps({WHOLE: json.dumps({"db": {}, "bucket_name": "lake"}), name: text}))
        try:
            load(source="airflow")
        except ConfigError as error:
            a_sentence(error)

    hold(examples, test, st.sampled_from([WHOLE, *SINGLE]), TEXTS | ANYTHING.map(json.dumps))


@FEW_OR_MANY
def test_any_secret_is_a_login_or_a_sentence(examples):
    login = Login("h", 1, "d", "u", "hunter2", "prefer", secret=("s", None))
    said = {"username": "u", "password": "hunter2", "host": "h", "port": 5432, "dbname": "d"}

    def test(text: str) -> None:
        try:
            found = with_secret(login, secret_object("s", {"SecretString": text}))
        except ConfigError as error:
            a_sentence(error)
        else:
            texts = (found.host, found.dbname, found.user, found.password)
            assert 1 <= found.port <= 65535 and all("\0" not in t.encode().decode() for t in texts)

    hold(examples, test, TEXTS | damaged(said).map(json.dumps) | st.just("[" * 100_000))


# -- the lake ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """A lake of two tags and days in a folder, and all of its objects; a secret file lies beside it."""
    folder = tmp_path_factory.mktemp("hostile")
    config = lakes_in(folder)()
    store = open_store(config)
    values = {(path, WINDOW.start_ms + 3_600_000 * n): float(n) for path in ("a", ODD) for n in range(48)}
    publish(store, scope_of(config, WINDOW, ["a", ODD]), values)
    row = [["a"], [[1]], ["float"], [None], ["bar"], [0], [None]]
    store.put(TAGS, as_parquet(pa.table(row, schema=TAG_COLUMNS)))
    (folder / "secret").write_text("beside the lake")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)  # ten thousand lakes need not outlive a power cut
        yield config, store, {key: store.get(key) for key, _ in store.list()}


def as_parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def as_it_was(lake) -> None:
    config, store, objects = lake
    others = [key for key, _ in store.list() if key not in objects]
    store.delete(others)
    for key, data in objects.items():
        if store.get(key) != data:
            store.put(key, data)
    folder = Path(config.local_path).parent
    assert {path.name for path in folder.iterdir()} == {"secret", Path(config.local_path).name}
    assert (folder / "secret").read_text() == "beside the lake"


def use(lake) -> None:
    """Every command that needs no historian: done, or a sentence."""
    config, store, _ = lake
    for command in (
        lambda: read_lake(config, WINDOW),
        lambda: places(config),
        lambda: last_day(config),
        lambda: at_rest(store, WINDOW, "UTC"),
        lambda: compact(config, ["2026-10"]),
        lambda: recover(store),
    ):
        try:
            command()
        except SensorStreamError as error:
            a_sentence(error)


@FEW_OR_MANY
def test_any_manifest_is_read_or_a_sentence(examples, lake):
    _, store, objects = lake
    root = json.loads(objects[ROOT])
    holder = {"host": "h", "pid": 1, "born": "x"}
    root |= {"frames": 1, "turn": {"id": "0" * 32, "what": "w", "phase": "writing", "holder": holder, "beat": 0}}
    root |= {"marks": {"t": {"table": "t", "rows": 1}}}

    def test(data: bytes) -> None:
        as_it_was(lake)
        store.put(ROOT, data)
        try:
            read_manifest(store)
        except LakeError as error:
            a_sentence(error)
            assert ROOT in str(error) and ("restore it as it was" in str(error) or "upgrade" in str(error))
        else:
            if "turn" not in json.loads(data) or json.loads(data)["turn"] is None:  # a lease is waited for
                use(lake)

    hold(examples, test, damaged(root).map(lambda v: json.dumps(v).encode()) | bent(objects[ROOT]))
    as_it_was(lake)


@FEW_OR_MANY
def test_any_journal_of_a_killed_run_is_undone_or_a_sentence(examples, lake):
    _, store, objects = lake
    new = {"new": [reading_key("b", "2026-10", WINDOW)]}
    settle = [[["readings/x"], [["0" * 64, reading_key("b", "2026-10", WINDOW)]]]]
    holder = {**vars(this_process()), "born": "long ago"}

    def test(phase: str, journals: tuple[bytes, bytes]) -> None:
        for command in (lambda: recover(store), lambda: at_rest(store, WINDOW, "UTC")):
            as_it_was(lake)
            turn = {"id": "0" * 32, "what": "w", "phase": phase, "holder": holder, "beat": 0}
            store.put(ROOT, json.dumps(json.loads(objects[ROOT]) | {"turn": turn}).encode())
            for kind, data in zip(("", "-settle"), journals, strict=True):
                store.put(f"{JOURNAL}{'0' * 32}{kind}.json", data)
            try:
                command()
            except SensorStreamError as error:
                a_sentence(error)

    def some(value: Any) -> st.SearchStrategy[bytes]:
        written = json.dumps(value).encode()
        return damaged(value).map(lambda v: json.dumps(v).encode()) | bent(written)

    hold(examples, test, st.sampled_from(["writing", "settling"]), st.tuples(some(new), some(settle)))
    as_it_was(lake)


@FEW_OR_MANY
def test_any_state_file_is_read_or_a_sentence(examples, lake):
    """Whether it is what the root names or not: somebody may have written both."""
    _, store, objects = lake
    root = json.loads(objects[ROOT])
    cells = {"tagpath": TEXTS.filter(lambda t: t.isprintable()), "digest": st.just("0" * 64)}
    numbers = st.integers(-(2**63), 2**63 - 1) | st.integers(1791936000, 1792108800)

    def rows(schema: pa.Schema) -> st.SearchStrategy[bytes]:
        one = {n: st.none() | cells.get(n, numbers if n != "hash" else st.integers(0, 2**64 - 1)) for n in schema.names}
        table = st.lists(st.fixed_dictionaries(one), max_size=4).map(lambda r: pa.Table.from_pylist(r, schema=schema))
        return table.map(as_parquet)

    def test(kind: str, data: bytes, named: bool) -> None:
        as_it_was(lake)
        key = root[kind]["2026-10"]
        if named:
            key = f"{key.rpartition('-')[0]}-{hashlib.sha256(data).hexdigest()[:16]}.parquet"
            store.put(ROOT, json.dumps(root | {kind: {"2026-10": key}}).encode())
        store.put(key, data)
        use(lake)

    odd = as_parquet(pa.table({"x": [1]}))
    ways = rows(FILES) | rows(PIECES) | bent(objects[root["files"]["2026-10"]]) | st.just(odd)
    hold(examples, test, st.sampled_from(["files", "pieces"]), ways, st.booleans())
    as_it_was(lake)


@FEW_OR_MANY
def test_any_parquet_is_readings_or_a_sentence(examples, lake):
    config, store, objects = lake
    key = next(key for key in objects if key.startswith("readings/tagpath=a/"))
    root, month = json.loads(objects[ROOT]), "2026-10"
    files = pq.read_table(pa.BufferReader(objects[root["files"][month]])).to_pylist()
    kept = as_parquet(pa.table([["a"], [0], [1.0], [None], [0], ["r"]], schema=pa.schema(
        [("tagpath", pa.string()), *SCHEMA, ("reason", pa.string())])))  # fmt: skip
    rejected = f"rejected/run_id={WINDOW.name}_0/part.parquet"

    def test(data: bytes, kept: bytes, named: bool) -> None:
        as_it_was(lake)
        store.put(key, data)
        if named:  # by somebody who has brought the manifest to it
            rows = [
                row | {"digest": hashlib.sha256(data).hexdigest()} if row["tagpath"] == "a" else row for row in files
            ]
            state = as_parquet(pa.Table.from_pylist(rows, schema=FILES))
            name = f"{root['files'][month].rpartition('-')[0]}-{hashlib.sha256(state).hexdigest()[:16]}.parquet"
            store.put(name, state)
            store.put(ROOT, json.dumps(root | {"files": {month: name}}).encode())
        use(lake)
        for entry in _files_there(store, month):
            assert entry.rows > 0
        store.put(TAGS, data)
        store.put(rejected, kept)
        for command in (lambda: tags(config), lambda: RejectedReader(config, store).look(["a"], WINDOW),
                        lambda: read_rejected(store, rejected, pa.schema([SCHEMA.field("datetime")]))):  # fmt: skip
            try:
                command()
            except LakeError as error:
                a_sentence(error)

    hold(examples, test, bent(objects[key]), bent(kept), st.booleans())
    as_it_was(lake)


@FEW_OR_MANY
def test_any_tag_path_stays_in_the_lake_and_steers_nothing(examples, lake):
    config, store, _ = lake
    folder = Path(config.local_path).resolve()

    def test(path: str, key: str) -> None:
        try:
            storable([path], prefix=None)
            there = reading_key(path, "2026-10", WINDOW)
            store.put(there, b"x")
            written = [file for file in folder.glob("readings/**/*") if file.is_file() and file.read_bytes() == b"x"]
            assert [file.resolve() for file in written] == [Path(folder, there)]
            store.delete([there])
        except (ConfigError, LakeError) as error:
            a_sentence(error)
        for use in (store.get, lambda key: store.put(key, b"x"), lambda key: list(rejected_objects(store, WINDOW, 1))):
            try:
                use(key)
            except LakeError as error:
                a_sentence(error)
        shown = printable(path).encode().decode()
        assert not steers(shown) and "\n" not in shown
        assert not {"<", ">"} & set(in_chat(path))
        as_it_was(lake)

    keys = TEXTS | TEXTS.map(lambda t: f"rejected/run_id={t}/part.parquet")
    hold(examples, test, TEXTS.filter(lambda t: "\0" not in t and t.encode(errors="ignore").decode() == t), keys)


@FEW_OR_MANY
def test_any_verdict_or_record_of_a_run_is_shown_or_called_broken(examples, tmp_path, monkeypatch):
    monkeypatch.setattr(index_page, "trends", lambda found, timezone: [])  # matplotlib takes a second for each
    monkeypatch.setattr(index_page, "templates", cache(index_page.templates))
    config = lakes_in(tmp_path)(reports_path=str(tmp_path / "reports"))
    vienna = config.model_copy(update={"timezone": "Europe/Vienna"})
    record = json.loads(json.dumps(RECORD.to_json()))
    told = {"read": 1, "rejected": 0, "written": 1, "bytes_written": 9, "seconds": 1.5}
    verdict = vars(Outcome("done", "one", DAY.to_json(), "2026-10-15T02:00:00+00:00", **told))

    def test(folder: str, name: str, data: bytes) -> None:
        shutil.rmtree(tmp_path / "reports", ignore_errors=True)
        run = tmp_path / "reports" / f"{folder}_0" / "20261015T000000.000000Z"
        run.mkdir(parents=True)
        (run / name).write_bytes(data)
        for kept in run_history.runs(config):
            assert kept.outcome.verdict in run_history.WORST_FIRST
        assert not Page(index_page.render(run_history.runs(config), vienna, [])).found

    windows = st.from_regex(r"[0-9]{8}T[0-9]{6}Z_[0-9]{8}T[0-9]{6}Z", fullmatch=True) | st.just(DAY.name)
    some = [damaged(value).map(lambda v: json.dumps(v).encode()) | bent(json.dumps(value).encode())
            for value in (record, verdict)]  # fmt: skip
    hold(examples, test, windows, st.sampled_from(["record.json", "verdict.json"]), some[0] | some[1])


# -- what users bring --------------------------------------------------------------------------------------------------


CELLS = st.sampled_from(
    ["2026-10-14T00:00:00Z", "2026-10-14 00:00", "0001-01-01", "9999-12-31T23:59:59+14:00", "14.10.2026", "1.234,5",
     "1e999", "NaN", "", '"', "=1+1", "time", "tag", "value", "quality", "1792000000000", "9" * 400, "x" * 200_000,
     "\0", "\ufeff", "0001-01-01T00:00:00+14:00", "2026-03-29 02:30", "2026-10-25 02:30"]) | TEXTS  # fmt: skip


@FEW_OR_MANY
def test_any_csv_is_a_recording_or_a_sentence(examples, tmp_path):
    file = tmp_path / "x.csv"

    def test(data: bytes, zone: str) -> None:
        file.write_bytes(data)
        try:
            for series in read_series(file, timezone=zone).series:
                assert len(series.t_stamp) == len(series.values) == len(series.quality)
        except ConfigError as error:
            a_sentence(error)

    def written(rows: list[list[str]], mark: str, encoding: str) -> bytes:
        return "\n".join(mark.join(row) for row in rows).encode(encoding, errors="replace")

    rows = st.lists(st.lists(CELLS, min_size=1, max_size=4), max_size=6)
    even = st.integers(2, 4).flatmap(lambda n: st.lists(st.lists(CELLS, min_size=n, max_size=n), max_size=6))
    headed = st.lists(st.tuples(CELLS, CELLS), max_size=5).map(lambda r: [["time", "a"], *map(list, r)])
    encodings = st.sampled_from(["utf-8", "utf-16", "cp1252", "utf-8-sig", "utf-32"])
    data = st.builds(written, rows | even | headed, st.sampled_from(",;\t|"), encodings) | st.binary(max_size=80)
    zones = st.sampled_from(["UTC", "Europe/Vienna", "Pacific/Apia"]) | TEXTS
    hold(examples, test, data | bent(b"time,a\n2026-10-14T00:00:00Z,1\n2026-10-14T00:01:00Z,2\n"), zones)


@FEW_OR_MANY
def test_any_details_of_tags_are_told_or_a_sentence(examples, tmp_path):
    file = tmp_path / "tags.csv"
    words = st.sampled_from(["tagpath", "unit", "description", "", '"', "a", "a ", '"a', "bar"]) | TEXTS

    def test(data: bytes) -> None:
        file.write_bytes(data)
        try:
            found = tag_details(str(file))
        except ConfigError as error:
            a_sentence(error)
        else:
            assert all(path and set(told) <= {"unit", "description"} for path, told in found.items())

    rows = st.lists(st.lists(words, min_size=1, max_size=4), max_size=6)
    headed = rows.map(lambda rows: [["tagpath", "unit", "description"], *rows])
    written = st.builds(
        lambda rows, mark, encoding: "\n".join(mark.join(row) for row in rows).encode(encoding, errors="replace"),
        rows | headed, st.sampled_from(",;\t"), st.sampled_from(["utf-8", "utf-8-sig", "cp1252", "utf-16"]),
    )  # fmt: skip
    hold(examples, test, written | bent(b'tagpath,unit\na,bar\n"b,c",K\n'))


@FEW_OR_MANY
def test_any_check_of_an_earlier_run_has_gaps_or_none(examples):
    def test(data: bytes) -> None:
        assert isinstance(gaps_in(data), int | None)

    kept = {"notable_total": {"gap": 3, "stuck": 1}, "findings": []}
    hold(examples, test, damaged(kept).map(lambda v: json.dumps(v).encode()) | bent(json.dumps(kept).encode()))
    assert gaps_in(json.dumps(kept).encode()) == 3


@FEW_OR_MANY
def test_any_pattern_chooses_tags_or_is_a_sentence(examples, lake):
    config, _, _ = lake
    signs = st.text(alphabet="ab/(?P<n>)[]{}*+|^$\\1.,:=!-", max_size=12)

    def test(pattern: str) -> None:
        try:
            assert read_lake(config, WINDOW, patterns=[pattern]).num_rows in (0, 48, 96)
        except ConfigError as error:
            a_sentence(error)

    hold(examples, test, TEXTS | signs)
