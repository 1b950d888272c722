"""Reports that are kept on a real S3: put there whole, listed from there, and not lost where that fails."""

from __future__ import annotations

import re
import shutil
import urllib.request
from datetime import date

import pytest

from sensorstream.errors import LakeError
from sensorstream.report import storage
from sensorstream.report.index_page import build
from sensorstream.report.outcome import Outcome
from sensorstream.report.run_history import runs
from sensorstream.windows import day_window

DAY = day_window(date(2026, 10, 14), "UTC")
NAME = f"{DAY.name}_12aca9f6/20261015T020000.000000Z"
DONE = Outcome(
    "done", NAME.split("/")[0], {"start": DAY.start.isoformat(), "end": DAY.end.isoformat()},
    "2026-10-15T02:01:00+00:00", read=5, rejected=1, written=4, bytes_written=9, seconds=1.0,
)  # fmt: skip


def worked(config):
    """The folder of a run that is through."""
    folder = storage.run_folder(config, NAME)
    (folder / "report.html").write_text("a report")
    DONE.save(folder)
    return folder


@pytest.fixture
def config(make_config, sandbox, tmp_path):
    return make_config(lake="s3", reports_path=f"s3://{sandbox.bucket}/{tmp_path.name}")


def test_a_run_is_put_on_s3_and_leaves_nothing_here(config):
    folder = worked(config)
    storage.keep(config, folder, NAME)
    assert not folder.parents[1].exists()
    (run,) = runs(config)
    assert (run.folder, run.outcome, run.reported) == (NAME, DONE, True)


def test_the_page_of_all_runs_is_put_there_or_leads_there(config, tmp_path):
    storage.keep(config, worked(config), NAME)
    storage.open_storage(config).put("strange/x/record.json", b"{")
    assert build(config) == build(config) and build(config).runs == 2
    page = (storage.open_storage(config).get("index.html") or b"").decode()
    assert f'<a href="{NAME}/report.html"' in page and "record.json cannot be read" in page
    build(config, tmp_path / "here.html")
    (link,) = set(re.findall(r'<a href="([^"]+)"', (tmp_path / "here.html").read_text()))
    with pytest.raises(urllib.error.HTTPError) as refused:  # it is there, for those who may read it
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(link, timeout=30)
    assert refused.value.code == 403 and link.startswith(f"{config.s3_endpoint_url}/{config.bucket_name}/")


def test_a_report_that_cannot_be_put_is_not_lost(config):
    away = config.model_copy(update={"reports_path": "s3://no-such-bucket/x"})
    folder = worked(away)
    with pytest.raises(
        LakeError, match=r'reports s3://no-such-bucket/x/, .*no such bucket: check "reports_path"'
    ) as why:
        storage.keep(away, folder, NAME)
    assert str(folder) in str(why.value) and (folder / "report.html").exists()
    shutil.rmtree(folder.parents[1])
