"""A layout that is changed: what was read by it before is told, and read again as far as runs look back."""

from __future__ import annotations

import struct
from datetime import date

from sensorstream.pipeline.ingest import ingest
from sensorstream.verification.verify import verify
from sensorstream.windows import day_window
from tests.oracle import readings_of

FROM = day_window(date(2026, 9, 15), "UTC")


def test_a_run_by_a_changed_layout_says_so_and_reads_the_days_again_that_it_looks_over(database, make_config):
    database.execute("CREATE TABLE log_2026 (code int, at timestamptz, reading float8)")
    database.execute("CREATE TABLE tags (id int PRIMARY KEY, path text); INSERT INTO tags VALUES (1, 'a')")
    days = "generate_series('2026-09-01'::timestamptz, '2026-10-15', '1 day')"
    database.execute(f"INSERT INTO log_2026 SELECT 1, day, 2 FROM {days} day")
    layout = {"readings": {"tables": "log_{year}", "id": "code", "time": {"column": "at", "unit": "timestamptz"},
                           "numbers": "reading"}, "tags": {"table": "tags"}}  # fmt: skip
    config = make_config(dbname=database.name, layout=layout)
    assert ingest(config, ("2026-09-01", "2026-10-15")).warnings == []
    layout["readings"]["numbers"] = "reading * 10"
    changed = config.model_copy(update={"layout": make_config(layout=layout).layout})
    record = ingest(changed, "2026-10-15")
    (says,) = record.warnings
    assert says.startswith("log_2026: read otherwise than by earlier runs") and "again from 2026-09-15 on" in says
    assert {row[2] for row in readings_of(config) if row[1] >= FROM.start_ms} == {struct.pack(">d", 20.0)}
    assert [found.count for found in verify(changed, ("2026-09-01", "2026-09-15")).differences] == [14]
    verify(changed, ("2026-09-01", "2026-09-15"), repair=True)
    assert ingest(changed, "2026-10-15").warnings == []
    assert {row[2] for row in readings_of(config)} == {struct.pack(">d", 20.0)}
