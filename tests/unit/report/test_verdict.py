"""What stands out in a run is said in sentences: which sensors, when, how long; a whole plant's silence as one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sensorstream.checks.anomalies import Anomaly
from sensorstream.report.anomalies import Listed
from sensorstream.report.verdict import sentences

NOON = datetime(2026, 10, 31, 11, tzinfo=UTC)  # in Berlin, where clocks go back a week before


def stretch(kind, path, hours, text="no reading", start=NOON):
    start_ms = round(start.timestamp() * 1000)
    return Anomaly(kind, path, start_ms, start_ms + hours * 3_600_000, text)


def said(*found, findings=(), tags=60):
    kinds = {one.kind: [each for each in found if each.kind == one.kind] for one in found}
    checks = [{"measured": {"tags": tags}, "findings": list(findings)}]
    listed = [Listed(kind, tuple(each), len(each)) for kind, each in kinds.items()]
    return [each.text for each in sentences(checks, listed, "Europe/Berlin")]


def finding(verdict, column, paths, says="", area=""):
    return {"verdict": verdict, "success": False, "column": column, "expectation": "e", "found": "f", "says": says,
            "tags": paths[:10], "tags_total": len(paths), "area": area}  # fmt: skip


def test_gaps_and_what_stands_still_are_said_with_the_worst_of_them_in_the_sites_time():
    gaps = [stretch("gap", f"press/{n}", 6 - n) for n in range(3)]
    stuck = stretch("stuck", "furnace/temperature", 28, "853.2 in 16,800 readings over 28 h")
    assert said(*gaps, stuck, findings=[finding("warning", "longest_gap_s", ["x"] * 12, "with gaps")]) == [
        "12 tags have gaps, the longest 6 h, Sat 31 Oct 12:00 to 18:00: press/0",
        "1 sensor stands still at 853.2 for 1 d 4 h, Sat 31 Oct 12:00 to Sun 01 Nov 16:00: furnace/temperature",
    ]


def test_a_stretch_over_the_change_of_clocks_is_told_with_the_hours_that_went_by():
    nights = {"in autumn": datetime(2026, 10, 24, 22, tzinfo=UTC), "in spring": datetime(2027, 3, 27, 23, tzinfo=UTC)}
    assert [text for path, start in nights.items() for text in said(stretch("gap", path, 6, start=start))] == [
        "1 tag has a gap of 6 h, Sun 25 Oct 00:00 to 05:00: in autumn",
        "1 tag has a gap of 6 h, Sun 28 Mar 00:00 to 07:00: in spring",
    ]


def test_half_of_all_tags_silent_at_once_are_an_outage_and_many_gaps_by_themselves_are_none():
    together = [stretch("gap", f"tag{n}", 3, start=NOON + timedelta(minutes=n % 3)) for n in range(40)]
    outage = "Outage: 40 of 60 tags are silent at once for 2 h 58 min, Sat 31 Oct 12:02 to 15:00"
    assert said(*together)[0] == outage
    apart = [stretch("gap", f"tag{n}", 1, start=NOON + timedelta(hours=n)) for n in range(40)]
    assert not any(text.startswith("Outage") for text in said(*apart))


def test_of_a_small_plant_all_tags_silent_at_once_are_an_outage_and_one_tag_is_none():
    both = [stretch("gap", f"boiler/{n}", 5) for n in range(2)]
    outage = "Outage: 2 of 2 tags are silent at once for 5 h, Sat 31 Oct 12:00 to 17:00"
    assert said(*both, tags=2)[0] == outage
    assert not any(text.startswith("Outage") for text in [*said(*both, tags=3), *said(both[0], tags=1)])


def test_an_area_that_is_silent_is_told_with_its_time():
    silent = finding("warning", "silent_share", ["press/1", "press/2"], "silent for long", "press")
    gaps = [stretch("gap", "press/1", 6), stretch("gap", "press/1", 1), stretch("gap", "press/2", 7)]
    assert (
        said(*gaps, findings=[silent])[-1] == "2 tags silent for long: press/1, press/2: 6 h, Sat 31 Oct 12:00 to 18:00"
    )


def test_what_ends_a_run_comes_first_and_an_area_that_is_silent_is_named_as_one():
    silent = finding("warning", "silent_share", [f"plant1/press/{n}" for n in range(12)],
                     "silent for more than a quarter of the window", "plant1/press")  # fmt: skip
    broken = finding("fails", "gateways", ["a", "b"], "written by two gateways at once")
    assert said(findings=[silent, broken, finding("warning", "rows", [])]) == [
        "2 tags written by two gateways at once: a, b",
        "12 tags silent for more than a quarter of the window: all under plant1/press",
        "Not so: e. Found: f",
    ]
