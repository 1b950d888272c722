"""Names of objects in the lake."""

from datetime import date
from urllib.parse import unquote

from hypothesis import example, given
from hypothesis import strategies as st

from sensorstream.lake.keys import decode_tagpath, encode_tagpath, parse_reading_key, reading_key
from sensorstream.windows import day_window

DAY = day_window(date(2026, 10, 14), "UTC")


@given(st.text(min_size=1))
@example("a/b %=:*?#+&'\"\\\n.. 😀 ü")
@example("..")
@example("Null")
def test_any_tag_path_survives_its_key(path):
    encoded = encode_tagpath(path)
    assert "/" not in encoded and decode_tagpath(encoded) == path == unquote(encoded)
    assert parse_reading_key(reading_key(path, "2026-10", DAY)) == (path, "2026-10", DAY)


def test_a_key_reads_as_the_contract_says():
    assert reading_key("plant1/press a/temp", "2026-10", DAY) == (
        "readings/tagpath=plant1%2Fpress%20a%2Ftemp/month=2026-10/20261014T000000Z_20261015T000000Z.parquet"
    )


def test_a_path_that_is_null_is_not_the_bare_word_that_duckdb_takes_for_no_value():
    assert [encode_tagpath(path) for path in ("null", "NULL", "nulls")] == ["%6Eull", "%4EULL", "nulls"]


def test_a_foreign_key_is_no_reading():
    folder = "readings/tagpath=a/month=2026-10"
    backwards = f"{folder}/20261015T000000Z_20261014T000000Z.parquet"
    for key in ("readings/x.parquet", f"{folder}/part-0.parquet", backwards, "tags/tags.parquet"):
        try:
            parse_reading_key(key)
        except ValueError:
            continue
        raise AssertionError(key)
