"""How far a run is, in words."""

from __future__ import annotations

import time

from sensorstream.progress.display import Line, lines
from sensorstream.progress.steps import Step
from sensorstream.progress.worker_messages import ProgressReceiver


def test_a_step_says_readings_bytes_rate_and_time_left():
    step = Step("extract", 1, 8, readings=4_000_000, finished=2_000_000, expected=10_000_000, size=7_500_000, seconds=2)
    assert str(step) == "extract: 4 M of about 10 M readings, 7.5 MB, 2 M readings/s, 5 s left"


def test_one_piece_of_work_says_how_long_it_takes_until_it_can_count():
    assert str(Step("publish", 0, 1, seconds=12.3)) == "publish: 12 s"
    assert str(Step("publish", 0, 1, size=7_500_000, seconds=14)) == "publish: 7.5 MB"


def test_an_estimate_that_was_too_low_is_no_end_before_the_end():
    step = Step("extract", 7, 8, readings=900, finished=900, expected=100, size=10, seconds=1)
    assert step.share == 0.99
    over = Step("extract", 8, 8, readings=900, finished=900, expected=100, size=10, seconds=1)
    assert over.share == 1 and "left" not in str(over) and "about" not in str(over)


def test_a_log_gets_a_line_from_time_to_time_and_none_of_a_short_phase(monkeypatch):
    said, now = [], [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    tell = lines(said.append)
    for second in range(25):
        now[0] = float(second)
        tell(Step("extract", second, 30, seconds=second))
    tell(Step("publish", 1, 2))
    assert said == ["extract: 10 of 30, 20 s left", "extract: 20 of 30, 10 s left"]


def test_a_notebook_shows_a_bar_only_of_what_is_not_over():
    page = Line((Step("extract", 8, 8), Step("publish", 1, 2)))._repr_html_()
    assert page.count("<progress") == 1 and "publish: 1 of 2" in page


def test_work_that_is_done_again_is_counted_once():
    receiver = ProgressReceiver("127.0.0.1", "127.0.0.1")
    try:
        for _ in range(2):
            again = receiver.sender.about("extract", 1)
            again.add(read=70)
            again.add(read=30, finished=100, size=7)
            again.done()
        receiver.sender.about("extract", 2).add(read=5)
        receiver.sender.about("publish", 1).add(size=9)
        end = time.monotonic() + 10
        while (heard := receiver.received("extract")).read != 105 and time.monotonic() < end:
            time.sleep(0.01)
        assert (heard.read, heard.finished, heard.size) == (105, 100, 7)
    finally:
        receiver.close()
