"""The pages of one run and of all runs in a browser; ``SENSORSTREAM_SHOTS`` names a folder for the docs' pictures."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from sensorstream.config.sources import load
from sensorstream.errors import LakeCheckFailed
from sensorstream.lake.scan import read_lake
from sensorstream.notebook_run.run import run
from sensorstream.report import run_page as report_page
from sensorstream.report.downsampling import silences, usual_step
from sensorstream.report.index_page import build
from tests.unit.report.test_index_page import years

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

DESK, PHONE = (1280, 1120), (390, 1400)
VIEWS = {
    "light": ("light", DESK),
    "dark": ("dark", DESK),
    "phone": ("light", PHONE),
    "dark-phone": ("dark", PHONE),
}
UNFOLD = "document.querySelectorAll('details').forEach(each => each.open = true)"
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def pages(plant, tmp_path_factory) -> dict[str, Path]:
    """The report of a real run with its gaps, the same as if it had failed, and the page of four hundred nights."""
    folder = tmp_path_factory.mktemp("pages")
    values = json.loads(plant.config_path.read_text()) | {"s3_directory": "seen/", "reports_path": str(folder / "runs")}
    (folder / "config.json").write_text(json.dumps(values))
    config = load(folder / "config.json")
    done = run(folder / "config.json", start=plant.window.start.isoformat(), end=plant.window.end.isoformat())
    found = read_lake(config, plant.window.start, plant.window.end, into="pandas")
    times = {path: own["datetime"].astype("int64").to_numpy() for path, own in found.groupby("tagpath", observed=True)}
    gaps = sorted(
        ((b - a, path, a, b) for path, own in times.items() for a, b in silences(own, usual_step(own)).tolist()),
        reverse=True,
    )
    check = Path(done.folder) / "check_lake.json"
    noted = [
        {"kind": "gap", "tagpath": path, "text": f"silent for {silent // 60_000:,} min", "start": at(a), "end": at(b)}
        for silent, path, a, b in gaps[:200]
    ]
    # What the check itself has noted counts.
    told = {"notable": noted, "notable_total": {"gap": len(gaps)}} | json.loads(check.read_text())
    check.write_text(json.dumps(told))
    report = report_page.write(Path(done.folder), config, plant.window, None)
    failed = Path(shutil.copytree(done.folder, folder / "failed"))
    broken = {
        "verdict": "fails",
        "success": False,
        "expectation": "most is good",
        "found": "1 tag: plant1/press/unit1/flow",
    }
    (failed / "check_lake.json").write_text(
        json.dumps(told | {"success": False, "findings": [broken, *told["findings"]]})
    )
    report_page.write(failed, config, plant.window, LakeCheckFailed("lake check failed: 1 tag: set it right"))
    years(folder / "nights", 400)
    index = build(config.model_copy(update={"reports_path": str(folder / "nights")}))
    return {"report": report, "failed": failed / "report.html", "index": Path(index.place)}


def at(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium")
    assert program, "this test needs a browser: apt-get install chromium"
    with sync_playwright() as play:
        found = play.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", ["report", "failed", "index"])
def test_a_page_opens_without_a_network_fits_and_is_accessible(name, view, pages, browser, tmp_path):
    scheme, (width, height) = VIEWS[view]
    context = browser.new_context(
        color_scheme=scheme, viewport={"width": width, "height": height}, offline=True, reduced_motion="reduce"
    )
    tab = context.new_page()
    said, asked = [], []
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(pages[name].as_uri())
    shot(tab, name, view)
    folded = tab.evaluate(OVERFLOW)
    tab.evaluate(UNFOLD)
    assert (folded, tab.evaluate(OVERFLOW)) == (0, 0), "the page scrolls sideways"
    assert said == [] and asked == [pages[name].as_uri()]
    axe = Axe().run(tab).response
    assert len(axe["passes"]) > 20, "axe has looked"
    serious = [
        (each["id"], each["impact"], [node["html"][:200] for node in each["nodes"][:3]])
        for each in axe["violations"]
        if each["impact"] in ("serious", "critical")
    ]
    assert serious == []
    context.close()


def test_a_report_is_read_by_keyboard_and_leads_back_from_the_index(pages, browser):
    tab = browser.new_context(offline=True).new_page()
    tab.goto(pages["index"].as_uri())
    tab.keyboard.press("Tab")
    assert "1 March 2025: warnings" in tab.evaluate("document.activeElement.getAttribute('aria-label')")
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/report.html")
    tab.goto(pages["report"].as_uri())
    assert tab.locator("pre").first.is_hidden(), "cells are folded"
    tab.get_by_text("Notebook: ingest").focus()
    tab.keyboard.press("Enter")
    assert tab.get_by_text("sensorstream.ingest(config, window").is_visible()


def shot(tab: Page, name: str, view: str) -> None:
    """A picture for the docs, where one is kept."""
    kept = {("report", "light"): "report.png", ("report", "dark"): "report-dark.png",
            ("report", "phone"): "report-phone.png", ("index", "light"): "reports-index.png"}  # fmt: skip
    folder = os.environ.get("SENSORSTREAM_SHOTS")
    if folder and (name, view) in kept:
        if view == "dark":
            tab.evaluate(
                "[...document.querySelectorAll('h2')].find(e => e.innerText.startsWith('Gaps')).scrollIntoView()"
            )
        tab.screenshot(path=Path(folder) / kept[name, view])
