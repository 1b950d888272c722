"""``sensorstream`` as a user types it: run, report, exit codes, and no password anywhere."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import boto3
import nbformat
import psutil
import pytest

from sensorstream.config.sources import check, load
from sensorstream.errors import SensorStreamError
from sensorstream.notebook_run import execute as notebook
from sensorstream.notebook_run.run import run
from sensorstream.sandbox.processes import wait_until
from tests.oracle import objects

TAGS = "^plant1/press/"


@pytest.fixture(scope="module")
def place(tmp_path_factory, plant) -> Path:
    """A folder to work in with a ``config.json`` of the sandbox and a lake of its own."""
    folder = tmp_path_factory.mktemp("work")
    values = json.loads(plant.config_path.read_text()) | {"s3_directory": "run_lake/", "reports_path": "reports"}
    (folder / "config.json").write_text(json.dumps(values))
    return folder


def sensorstream(place: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sensorstream", *words],
        cwd=place, env={**os.environ, "COLUMNS": "160", **environment}, capture_output=True, text=True, timeout=500,
    )  # fmt: skip


@pytest.fixture(scope="module")
def first(place, plant) -> subprocess.CompletedProcess[str]:
    return sensorstream(place, "run", "--config", "config.json", "--date", plant.date, "--pattern", TAGS)


def test_a_run_says_what_it_did_and_leaves_a_report_that_needs_no_network(place, first):
    assert first.returncode == 0, first.stderr
    for words in ("check source", " written, ", " rejected (bad quality)", "check lake", "gaps, the longest"):
        assert words in first.stdout
    (report,) = place.glob("reports/*/*/report.html")
    page = report.read_text()
    assert report.resolve().as_uri() in first.stdout and "The run is done" in page and "Readings per" in page
    assert "When each tag was read" in page and "file config.json" in page and (report.parent / "tags.json").exists()
    assert not re.search(r"""(src|href|url)\s*[=(]\s*["']?(https?:)?//""", page)
    record = json.loads((report.parent / "record.json").read_text())
    assert record["rows_read"] == (
        record["rows_written"] + sum(record["rows_rejected"].values()) + record["rows_deduplicated"]
    )
    assert f"{record['rows_read']:,}" in page and record["report"] == str(report)
    assert f'href="{report.relative_to(place / "reports")}"' in (place / "reports" / "index.html").read_text()


@pytest.fixture(scope="module")
def on_s3(place, sandbox) -> str:
    """``reports_path`` on S3 of ``s3.json``."""
    values = json.loads((place / "config.json").read_text())
    where = f"s3://{values['bucket_name']}/run reports"
    (place / "s3.json").write_text(json.dumps(values | {"reports_path": where}))
    return where


def there(sandbox, on_s3) -> dict[str, tuple[str, str]]:
    """What is kept there: key below it to (content type, text)."""
    bucket, prefix = on_s3.removeprefix("s3://").split("/")
    client = boto3.client("s3", endpoint_url=sandbox.s3_endpoint, region_name=sandbox.region)
    keys = [found["Key"] for found in client.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/")["Contents"]]
    answers = {key.removeprefix(f"{prefix}/"): client.get_object(Bucket=bucket, Key=key) for key in keys}
    return {key: (answer["ContentType"], answer["Body"].read().decode()) for key, answer in answers.items()}


@pytest.mark.slow
def test_a_second_run_leaves_the_same_objects_and_a_report_of_its_own_on_s3_as_well(
    place, first, plant, sandbox, on_s3
):
    config = load(place / "config.json")
    before = objects(config)
    again = sensorstream(place, "run", "--config", "s3.json", "--date", plant.date, "--pattern", TAGS)
    assert again.returncode == 0, again.stderr
    assert objects(config) == before and len(list(place.glob("reports/*/*/report.html"))) == 1
    left = there(sandbox, on_s3)
    names = {key.rpartition("/")[2] for key in left}
    assert names >= {"report.html", "record.json", "verdict.json", "check_lake.json", "ingest.ipynb", "index.html"}
    (report,) = [key for key in left if key.endswith("report.html")]
    kind, page = left[report]
    assert "text/html" in kind and "The run is done" in page and f"{on_s3}/{report}" in again.stdout
    assert f'href="{report}"' in left["index.html"][1]


def test_what_is_committed_is_checked_beside_the_pictures_and_though_one_fails(place, plant, tmp_path, monkeypatch):
    values = json.loads((place / "config.json").read_text()) | {"s3_directory": "no_picture/"}
    (tmp_path / "config.json").write_text(json.dumps(values | {"reports_path": str(tmp_path / "reports")}))
    notebooks = tmp_path / "notebooks"
    shutil.copytree(notebook.find("ingest").parent, notebooks)
    ingest = (notebooks / "ingest.ipynb").read_text()
    fails = "raise sensorstream.SensorStreamError('no picture')"
    (notebooks / "ingest.ipynb").write_text(ingest.replace("report.most_rejected(statistics)", fails))
    monkeypatch.setattr(notebook, "project_folder", lambda name: notebooks)
    with pytest.raises(SensorStreamError, match="no picture"):
        run(tmp_path / "config.json", date=plant.date, patterns=[TAGS])
    (folder,) = (path.parent for path in tmp_path.glob("reports/*/*/report.html"))
    assert json.loads((folder / "check_lake.json").read_text())["success"]
    assert "no picture" in (folder / "report.html").read_text()
    times = {name: nbformat.read(folder / f"{name}.ipynb", 4).metadata.papermill for name in ("ingest", "check_lake")}
    assert times["check_lake"]["start_time"] < times["ingest"]["end_time"]


def test_plan_and_ingest_alone(place, first, plant):
    window = ("--config", "config.json", "--start", plant.date, "--end", "2026-11-01", "--pattern", TAGS)
    planned = sensorstream(place, "plan", *window)
    assert planned.returncode == 0 and "sqlt_data_1_2026_10" in planned.stdout
    ingested = sensorstream(place, "ingest", *window, "--json")
    assert ingested.returncode == 0, ingested.stderr
    assert json.loads(ingested.stdout.splitlines()[-1])["files_written"] == 0


def left_running(place: Path) -> list[psutil.Process]:
    """Processes whose folder this is: of a run, its kernels and what they started."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            found += [process] if process.cwd() == str(place) else []
    return found


BAD = [
    (["--config", "nothere.json"], {}, 2, "nothere.json does not exist"),
    ([], {"colour": 1}, 2, 'unknown key "colour"'),
    (["--pattern", "a("], {}, 2, 'pattern "a(" is not a PostgreSQL regular expression'),
    (["--pattern", "nowhere"], {}, 2, 'matches "nowhere"'),
    (["--date", "14.10.2026"], {}, 2, "write it as 2026-10-14"),
    (["--end", "2026-11-01"], {}, 2, 'goes without end "2026-11-01"'),
    (["--start", "2026-10-31"], {}, 2, "no end: add end"),
    (["--engine", "both"], {}, 2, "'--engine': 'both' is not one of 'packed', 'jdbc'"),
    (["--colour"], {}, 2, "--colour"),
    ([], {"db": {"password": "wrong-s3cr3t"}}, 3, "refused the login"),
    ([], {"db": {"port": 1}}, 3, "cannot be reached"),
    (["--date", "2020-01-01"], {}, 3, "no partition table covers"),
    ([], {"bucket_name": "no-such-bucket"}, 5, "no such bucket"),
]


@pytest.mark.parametrize(("words", "keys", "code", "says"), BAD, ids=[says for *_, says in BAD])
def test_bad_input_has_its_exit_code_and_one_sentence(words, keys, code, says, place, plant, tmp_path):
    good = json.loads((place / "config.json").read_text()) | {"s3_directory": "bad_lake/"}
    values = good | {key: good[key] | value if key == "db" else value for key, value in keys.items()}
    (tmp_path / "config.json").write_text(json.dumps(values))
    given = [*([] if "--config" in words else ["--config", "config.json"]), *words]
    given += [] if {"--date", "--start"} & set(words) else ["--date", plant.date]
    ran = sensorstream(tmp_path, "ingest", *given)
    assert ran.returncode == code, ran.stderr
    assert says in ran.stderr and "Traceback" not in ran.stderr and "s3cr3t" not in ran.stderr
    assert [line for line in ran.stderr.splitlines() if line.startswith("sensorstream: ")] == ran.stderr.splitlines()[
        -1:
    ]
    assert objects(check(good, where="good")) == {}


def test_config_show_names_value_and_origin_and_masks_the_login_of_a_secret(place, sandbox, tmp_path):
    secret = {"username": "from_the_secret", "password": "s3cr3t"}
    boto3.client("secretsmanager").create_secret(Name="shown", SecretString=json.dumps(secret))
    values = json.loads((place / "config.json").read_text()) | {"db_secret_id": "shown"}
    (tmp_path / "config.json").write_text(json.dumps(values))
    words = ("config", "show", "--config", "config.json", "--engine", "jdbc")
    shown = sensorstream(tmp_path, *words, "--config-source", "aws", "--json")
    found = {key: (told["value"], told["origin"]) for key, told in json.loads(shown.stdout).items()}
    assert found["db.user"] == ("from_the_secret", "AWS Secrets Manager, shown")
    assert found["db.password"][1] == "AWS Secrets Manager, shown" and found["engine"] == ("jdbc", "argument")
    assert found["bucket_name"][1] == "file config.json" and found["lookback_days"] == (30, "default")
    table = sensorstream(tmp_path, *words)
    assert table.returncode == 0 and "from_the_secret" in table.stdout
    said = shown.stdout + table.stdout + shown.stderr + table.stderr
    assert "s3cr3t" not in said and sandbox.reader_password not in said


def test_refused_credentials_are_said_so(place, plant):
    words = ("ingest", "--config", "usual.json", "--date", plant.date)
    values = {**json.loads((place / "config.json").read_text()), "aws_credentials_file": None}
    (place / "usual.json").write_text(json.dumps(values))
    ran = sensorstream(place, *words, AWS_SECRET_ACCESS_KEY="wrong")
    assert ran.returncode == 5 and "credentials are refused" in ran.stderr


@pytest.fixture(scope="module")
def failed(place, plant, on_s3) -> subprocess.CompletedProcess[str]:
    """A run over a day that has no readings."""
    return sensorstream(place, "run", "--config", "s3.json", "--start", "2026-11-03", "--end", "2026-11-04")


def test_a_failing_expectation_ends_the_run_with_its_code_and_a_report(place, failed, sandbox, on_s3):
    assert failed.returncode == 4, failed.stderr
    assert wait_until(lambda: not left_running(place), 10)
    assert "the window holds at least one reading" in failed.stderr
    left = there(sandbox, on_s3)
    (report,) = [text for key, (_, text) in left.items() if key.startswith("20261103") and key.endswith("report.html")]
    assert "The run failed" in report and "the window holds at least one reading" in left["index.html"][1]


def test_no_password_stands_in_anything_that_the_runs_left(place, first, failed, sandbox, on_s3):
    secrets = [sandbox.reader_password, sandbox.owner_password, sandbox.secret_key]
    files = [path for path in place.rglob("*") if path.is_file() and path.parent != place]
    here = {str(path): path.read_bytes() for path in files}
    stored = {key: text.encode() for key, (_, text) in there(sandbox, on_s3).items()}
    for left in (here, stored):
        assert {"report.html", "verdict.json", "check_source.ipynb", "index.html"} <= {Path(name).name for name in left}
    for name, data in (here | stored).items():
        assert not [secret for secret in secrets if secret.encode() in data], name
    said = first.stdout + first.stderr + failed.stdout + failed.stderr
    assert not [secret for secret in secrets if secret in said]
