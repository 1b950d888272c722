"""The frames that the suites look at: a row a tag, a row a file."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pytest

from sensorstream.checks.clock_steps import Pieces
from sensorstream.checks.lake_summary import CommittedFile, facts, foreign, foreign_row, opened, to_read
from sensorstream.checks.source_summary import ENOUGH, Summary, TagSum, frame_of
from sensorstream.checks.source_summary_sql import Group
from sensorstream.historian import Tag
from sensorstream.lake.keys import reading_key
from sensorstream.lake.manifest import DataFile
from sensorstream.transform.parquet import encode
from sensorstream.transform.quality import QualityRule
from sensorstream.transform.readings import SCHEMA
from sensorstream.windows import window_of

DAY = window_of("UTC", day="2026-10-14")
RULE = QualityRule((192,), ())
ROWS = [0, 0], [0, 0]


def frame(tags: list[Tag], sums: dict[str, TagSum], keyless: dict[str, int] | None = None) -> pd.DataFrame:
    return frame_of(tags, Summary(DAY, Pieces.of(DAY, len(tags)), sums, keyless or {}), now_ms=DAY.end_ms)


def seen_in(data: bytes, timezone: str = "UTC") -> dict[str, object]:
    return facts(data, opened(data, micros=False), RULE, timezone)


def readings(times: list[int | None], quality: int = 192) -> pa.Table:
    count = len(times)
    return pa.table([times, [1.0] * count, [None] * count, [quality] * count], schema=SCHEMA)


def test_readings_of_several_ids_and_codes_add_up_to_one_row() -> None:
    found = TagSum()
    start = DAY.start_ms
    found.add(Group(1, 192, 150, 0, 30, 0, start, start + 10, 2.0, 0, None, [0, 1], [60, 90], [1.0, None], *ROWS), None)
    bad = Group(2, 0, 50, 0, 50, 0, start + 5, start + 90, 9.0, 0, None, [0, 1], [20, 30], [-9.0, 9.0], *ROWS)
    found.add(bad, "bad_quality")
    row = frame([Tag("a", (1, 2), "float")], {"a": found}).iloc[0]
    assert (row["readings"], row["kept_share"], row["empty_share"], row["ids"]) == (200, 0.75, 0.2, 2)
    assert (row["first_ms"], row["last_ms"], row["lowest"], row["highest"]) == (start, start + 90, 1.0, 2.0)


def test_a_share_of_few_readings_is_not_judged() -> None:
    found = TagSum()
    found.add(Group(1, 0, ENOUGH - 1, 0, 0, 0, 1, 2, None, 0, None, [0], [ENOUGH - 1], [None], [0], [0]), "bad_quality")
    assert frame([Tag("a", (1,))], {"a": found})["kept_share"].isna().all()


def test_no_reading_is_expected_of_a_tag_that_was_retired_before_or_created_after() -> None:
    tags = [Tag("a", (1,), retired=DAY.start_ms), Tag("b", (2,), created=DAY.end_ms), Tag("c", (3,))]
    expected = frame(tags, {})["expected_readings"]
    assert expected.isna().tolist() == [True, True, False]


def test_rows_without_a_key_stand_under_their_table() -> None:
    found = frame([Tag("a", (1,))], {}, {"sensor_data_2026_10": 4})
    assert found[["tagpath", "keyless"]].values.tolist() == [["a", 0], ["table sensor_data_2026_10", 4]]
    assert found["readings"].sum() == 0


def test_a_file_as_the_encoder_makes_it_has_nothing_wrong() -> None:
    seen = seen_in(encode(readings([DAY.start_ms, DAY.start_ms + 1])))
    assert seen["columns"] == "datetime: timestamp[ms, tz=UTC], value: double, text: string, quality: int32"
    assert (seen["rows_read"], seen["null_times"], seen["not_rising"], seen["bad_quality"]) == (2, 0, 0, 0)
    assert (seen["first_read_ms"], seen["last_read_ms"]) == (DAY.start_ms, DAY.start_ms + 1)


@pytest.mark.parametrize(
    ("times", "quality", "column", "count"),
    [
        ([5, 5, 6], 192, "not_rising", 1),
        ([6, 5], 192, "not_rising", 1),
        ([5, None], 192, "null_times", 1),
        ([5], 0, "bad_quality", 1),
    ],
)
def test_what_is_wrong_in_a_file_is_counted(times: list[int | None], quality: int, column: str, count: int) -> None:
    assert seen_in(encode(readings(times, quality)))[column] == count


def test_bytes_that_are_no_parquet_are_said_to_be_none() -> None:
    assert seen_in(b"PAR1 no")["columns"].startswith("not Parquet")


def test_the_month_of_a_file_is_that_of_the_configured_zone() -> None:
    late = pd.Timestamp("2026-10-31T23:30Z").value // 1_000_000
    assert seen_in(encode(readings([late])), "Europe/Berlin")["month_read"] == "2026-11"


def test_only_files_that_readers_of_the_window_would_see_are_foreign() -> None:
    place = "readings/tagpath=a/month=2026-10/"
    inside, other_day = (reading_key("a", "2026-10", window_of("UTC", day=day)) for day in ("2026-10-14", "2026-10-15"))
    assert foreign(inside, set(), DAY)
    for odd in ("part-0001.parquet", "20261015T000000Z_20261014T000000Z.parquet", "below/x.parquet"):
        assert foreign(f"{place}{odd}", set(), DAY)
        row = foreign_row(f"{place}{odd}", 7)
        assert row["file"] == odd.split("/")[-1] and row["tagpath"] in ("a", f"{place}{odd}")
    assert not foreign(inside, {inside}, DAY)
    assert not foreign(other_day, set(), DAY)
    assert not foreign(f"{place}_SUCCESS", set(), DAY)


def test_the_choice_of_tags_to_read_is_bounded_and_always_the_same() -> None:
    files = [CommittedFile(DataFile(f"tag{n}", "2026-10", 0, 1, 10, 0, 0, 1, ""), 0) for n in range(10)]
    tags = {file.entry.tagpath: [file] for file in files}
    chosen = to_read(tags, 35)
    assert len(chosen) == 3
    assert chosen == to_read(dict(reversed(tags.items())), 35)
    assert len(to_read(tags, 5)) == 1
