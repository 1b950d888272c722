"""Which day a run is for, in the site's time zone."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from sensorstream.airflow.report_server import RUN
from sensorstream.airflow.site import Site, folder_name

BERLIN = Site(timezone="Europe/Berlin")
moments = st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))


def test_the_run_of_two_o_clock_is_for_the_day_before_also_where_clocks_change():
    here = ZoneInfo("Europe/Berlin")
    for year, month, day, over in (
        (2026, 3, 29, "2026-03-28"),
        (2026, 3, 30, "2026-03-29"),
        (2026, 10, 25, "2026-10-24"),
    ):
        start, end = (datetime(year, month, day, 2, tzinfo=here) - timedelta(days=back) for back in (1, 0))
        assert BERLIN.day_of(start, end) == over


@given(logical=st.none() | moments, after=moments)
def test_no_run_is_for_a_day_that_is_not_over(logical, after):
    day = BERLIN.day_of(logical, after)
    assert day < after.astimezone(ZoneInfo("Europe/Berlin")).date().isoformat()
    if logical and logical <= after - timedelta(days=2):
        assert day == logical.astimezone(ZoneInfo("Europe/Berlin")).date().isoformat()


def test_the_environment_sets_what_it_names(monkeypatch):
    monkeypatch.setenv("SENSORSTREAM_TIMEZONE", "Asia/Tokyo")
    monkeypatch.setenv("SENSORSTREAM_DEADLINE_HOURS", "1.5")
    site = Site.from_environment()
    assert (site.timezone, site.deadline_hours, site.config_source) == ("Asia/Tokyo", 1.5, "airflow")


@given(st.text(max_size=40) | st.from_regex(r"[A-Za-z0-9_.~:+-]+", fullmatch=True))
def test_a_run_has_a_folder_below_the_runs_whatever_its_name(run_id):
    assert RUN.fullmatch(folder_name(run_id)) and BERLIN.folder_of(run_id).parent == BERLIN.runs.absolute()
