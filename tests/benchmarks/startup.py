"""Process start to the first staged file, with and without what makes a start short.

``python -m tests.benchmarks.startup [rounds]``: a fresh process a run, on a plant of a few thousand readings; the ways
are taken in turn, so that what else the machine does falls on all of them. Seconds to the first finished task of the
extract phase, as the progress of a run tells it (looked at five times a second).
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from sensorstream import class_archive
from sensorstream.java import java_home
from sensorstream.sandbox import down, up
from sensorstream.sandbox.plant import PlantOptions, seed

# What the package would import at once if it did not wait for the need.
EAGER = ("great_expectations", "airflow.sdk", "pandas")
RUN_SECONDS = 300

DRIVER = """
import importlib, json, sys, time
told = json.load(sys.stdin)
for name in told["imports"]:
    importlib.import_module(name)
from sensorstream.config import check
from sensorstream.pipeline import ingest
from sensorstream.windows import window_of
config = check(told["config"], where="the benchmark")
if told["plain"]:
    from sensorstream.spark import settings
    key = "spark.driver.extraJavaOptions"
    plain = {key: settings(config)[key], "spark.python.daemon.module": "pyspark.daemon"}
    config = config.model_copy(update={"spark_conf": plain})
first = []
def tell(step):
    if step.size and not first:
        first.append(time.time())
ingest(config, window_of("UTC", day=told["day"]), progress=tell)
print("first", first[0])
"""

WAYS = {
    "archive, warm workers, lazy imports": {"plain": False, "imports": ()},
    "without archive and warm workers": {"plain": True, "imports": ()},
    "without any": {"plain": True, "imports": EAGER},
}


def measure(rounds: int = 5) -> dict[str, object]:
    """Median seconds of each way, the runs behind it, and the ratio of the first to the last."""
    class_archive.make(java_home())
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)
        box = up(root / "sandbox")
        try:
            plant = seed(box.owner_dsn, replace(PlantOptions(), tags=10, days=1, rate_seconds=600))
            values = json.loads(box.config_path.read_text())
            values = {key: value for key, value in values.items() if not key.startswith(("bucket_", "s3_"))}
            values |= {"local_path": str(root / "lake"), "spark_master": "local[2]"}
            for _ in range(rounds):
                for way, how in WAYS.items():
                    seconds[way].append(_one(values, f"{plant.start:%Y-%m-%d}", how))
        finally:
            down(root / "sandbox", remove=True)
    medians = {way: round(statistics.median(runs), 2) for way, runs in seconds.items()}
    return {
        "median_seconds": medians,
        "runs": {way: [round(run, 2) for run in runs] for way, runs in seconds.items()},
        "ratio": round(medians["archive, warm workers, lazy imports"] / medians["without any"], 3),
    }


def _one(values: dict[str, object], day: str, how: dict[str, object]) -> float:
    told = json.dumps({"config": values, "day": day, **how})
    begin = time.time()
    run = subprocess.run(
        [sys.executable, "-c", DRIVER],
        input=told,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=True,
    )
    # Airflow, once imported, logs to standard output as well.
    (line,) = (line for line in run.stdout.splitlines() if line.startswith("first "))
    return float(line.split()[1]) - begin


def main() -> None:
    found = measure(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
