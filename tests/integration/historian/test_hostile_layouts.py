"""A description that somebody may have written meets a real historian: a plan or a sentence, nothing is changed."""

from __future__ import annotations

from sensorstream.errors import SensorStreamError
from sensorstream.pipeline.preview import plan
from sensorstream.windows import window_of
from tests.hostile import FEW_OR_MANY, a_sentence, hold
from tests.hostile_layouts import ANY_DESCRIPTION, MADE, RIGHT, spelled_otherwise

DAY = window_of("UTC", day="2026-10-14")


@FEW_OR_MANY
def test_any_description_plans_or_ends_in_a_sentence(examples, database, make_config):
    database.execute(MADE)
    database.execute(f"ALTER DATABASE {database.name} SET statement_timeout = '1s'")  # some of them sleep
    before = database.execute("SELECT count(*) FROM sensor")

    def test(layout) -> None:
        try:
            plan(make_config(dbname=database.name, layout=layout), DAY)
        except SensorStreamError as error:
            a_sentence(error)

    for layout in RIGHT:
        test(layout)
    hold(examples, test, ANY_DESCRIPTION | spelled_otherwise())
    assert database.execute("SELECT count(*) FROM sensor") == before
