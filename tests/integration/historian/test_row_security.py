"""What row level security hides from the reader is never taken for gone: every command refuses by name."""

from __future__ import annotations

import pytest

from sensorstream.checks.check_source import check_source
from sensorstream.errors import SourceError
from sensorstream.exploration import from_historian as explored
from sensorstream.pipeline.dataframes import read_historian
from sensorstream.pipeline.ingest import ingest
from sensorstream.pipeline.preview import plan
from sensorstream.planning import row_counts
from sensorstream.verification.verify import verify
from sensorstream.windows import window_of
from tests.historians import small_historian
from tests.oracle import Row, objects

DAY = window_of("UTC", day="2026-10-14")
ROWS = [Row(tagid, DAY.start_ms + 1000 * n, float(n)) for tagid in (1, 2) for n in range(50)]
TABLES = {"readings": ("sqlt_data_1_2026_10", "tagid"), "tags": ("sqlth_te", "id")}


@pytest.mark.parametrize("engine", ["packed", "jdbc"])
@pytest.mark.parametrize("kind", TABLES)
def test_rows_that_a_policy_hides_stop_every_command(kind, engine, database, make_config):
    small_historian(database, ROWS, {1: "a", 2: "b"})
    config = make_config(dbname=database.name, engine=engine)
    ingest(config, DAY)
    lake = objects(config)
    table, column = TABLES[kind]
    database.execute(
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY; CREATE POLICY shown ON {table} USING ({column} = 1)"
    )
    commands = [
        lambda: plan(config, DAY),
        lambda: ingest(config, DAY),
        lambda: check_source(config, DAY),
        lambda: verify(config, DAY),
        lambda: verify(config, DAY, repair=True),
        lambda: explored.read(config, ["a"], DAY),
        lambda: read_historian(config, DAY).collect(),
    ]
    for command in commands:
        with pytest.raises(
            SourceError, match=f'policy for table "{table}", and rows that it hides .* BYPASSRLS'
        ) as said:
            command()
        assert said.value.exit_code == 3
    assert objects(config) == lake


@pytest.mark.parametrize("engine", ["packed", "jdbc"])
def test_a_policy_that_comes_after_the_plan_stops_the_run(engine, database, make_config, monkeypatch):
    small_historian(database, ROWS, {1: "a", 2: "b"})
    config = make_config(dbname=database.name, engine=engine)
    frame = read_historian(config, DAY)
    real = row_counts.pinned

    def hidden_before(*arguments, **words):
        database.execute(
            "ALTER TABLE sqlt_data_1_2026_10 ENABLE ROW LEVEL SECURITY;"
            "CREATE POLICY shown ON sqlt_data_1_2026_10 USING (tagid = 1)"
        )
        return real(*arguments, **words)

    monkeypatch.setattr(row_counts, "pinned", hidden_before)
    with pytest.raises(SourceError, match="row-level security"):
        ingest(config, DAY)
    with pytest.raises(Exception, match="row-level security"):
        frame.collect()


def test_a_view_of_an_owner_who_sees_all_is_read(database, make_config):
    """The remedy that the sentence names."""
    small_historian(database, ROWS, {1: "a", 2: "b"})
    database.execute(
        "ALTER TABLE sqlt_data_1_2026_10 RENAME TO hidden; ALTER TABLE hidden ENABLE ROW LEVEL SECURITY;"
        "CREATE POLICY shown ON hidden USING (tagid = 1); CREATE VIEW sqlt_data_1_2026_10 AS SELECT * FROM hidden"
    )
    config = make_config(dbname=database.name)
    assert ingest(config, DAY).rows_written == len(ROWS)
    assert explored.read(config, ["b"], DAY).num_rows == 50
