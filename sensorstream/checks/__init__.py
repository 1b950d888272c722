"""Checks: Great Expectations suites over one row a tag (the source) and one row a file (the lake).

``source_summary`` lets SQL sum the window up, ``lake_summary`` reads back what a run wrote; ``gaps_and_stuck``
and ``clock_steps`` tell gaps, stuck sensors and clocks that went back. ``suites`` finds the JSON files that say what to
expect, ``validation`` (with ``gx_library``, ``data_docs``) alone knows Great Expectations, ``result`` what it found.
"""
