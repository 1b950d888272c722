"""Parquet in memory."""

import subprocess
import sys

READ = """
import io, os
import pyarrow as pa, pyarrow.parquet as pq
from sensorstream.transform.parquet import table_of
sink = io.BytesIO()
rows = pa.table({"tagpath": ["a", "b"] * 50_000, "rows": range(100_000), "value": [0.5] * 100_000})
pq.write_table(rows, sink, row_group_size=10_000)
before = set(os.listdir("/proc/self/task"))
same = [table_of(sink.getvalue()) == rows, table_of(sink.getvalue(), ["rows"]) == rows.select(["rows"])]
print(same, len(set(os.listdir("/proc/self/task")) - before))
"""


def test_no_thread_of_arrows_is_left_holding_what_was_read():
    """It would abort the process that ends meanwhile."""
    done = subprocess.run([sys.executable, "-c", READ], capture_output=True, text=True, check=True)
    assert done.stdout == "[True, True] 0\n"
