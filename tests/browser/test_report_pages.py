"""The pages of one run and of all runs in a browser; ``SENSORSTREAM_SHOTS`` names a folder for the docs' pictures."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from sensorstream.airflow.report_server import ONLY_ITSELF
from sensorstream.config.sources import load
from sensorstream.errors import LakeCheckFailed
from sensorstream.lake.scan import read_lake
from sensorstream.notebook_run.run import run
from sensorstream.report import charts
from sensorstream.report import run_page as report_page
from sensorstream.report.downsampling import silences, usual_step
from sensorstream.report.index_page import build
from sensorstream.report.small_multiples import Line, panel
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
    assert tab.locator("pre:not(.copy)").first.is_hidden(), "cells are folded"
    tab.get_by_text("Notebook: ingest").focus()
    tab.keyboard.press("Enter")
    assert tab.get_by_text("sensorstream.ingest(config, window").is_visible()


def test_tags_are_searched_and_sorted_and_pictures_tell_values_also_under_the_policy_of_airflows_server(pages, browser):
    context = browser.new_context(viewport={"width": DESK[0], "height": DESK[1]})
    html, policy = pages["report"].read_text(), {"Content-Security-Policy": ONLY_ITSELF}
    context.route("**/*", lambda route: route.fulfill(body=html, content_type="text/html", headers=policy))
    tab, failed = context.new_page(), []
    tab.on("pageerror", lambda error: failed.append(str(error)))
    tab.goto("http://airflow.test/report.html")
    rows = tab.locator("#tag-table tbody tr")
    every = rows.count()
    assert tab.locator("#found").inner_text() == f"{every} of {every} tags"
    tab.get_by_label("Find").fill("press TEMPERATURE")
    chosen = rows.locator("th").all_inner_texts()
    assert 0 < len(chosen) < every and all("press" in path and "temperature" in path for path in chosen)
    tab.get_by_label("Find").fill("retired")
    assert "old gauge" in rows.all_inner_texts()[0] and "retired 23 Jul 2026" in rows.all_inner_texts()[0]
    tab.get_by_label("Find").fill("")
    assert tab.get_by_label("All tags").evaluate("each => each.scrollWidth - each.clientWidth") == 0, "a column is cut"
    for order, best in (("ascending", min), ("descending", max)):
        tab.get_by_role("button", name="count").click()
        counts = [int(text.replace(",", "")) for text in rows.locator("td:nth-child(2)").all_inner_texts()]
        assert counts[0] == best(counts) and tab.locator("[aria-sort]").get_attribute("aria-sort") == order
    tab.locator("#tag-table a").first.click()
    assert tab.locator("figure:target").is_visible(), "a tag leads to its picture"
    for picture, told in (("[aria-label^='Readings per']", "kept: "), (".strip image", " kept"),
                          ("#notable svg >> nth=1", ":")):  # fmt: skip
        tab.locator(picture).first.scroll_into_view_if_needed()
        box = tab.locator(picture).first.bounding_box()
        tab.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.5 * box["height"])
        assert told in tab.locator(".tip").inner_text()
    assert failed == []
    context.close()


def test_a_picture_tells_values_as_finely_as_it_draws_them_and_a_printed_report_cuts_no_table(pages, browser):
    context = browser.new_context(offline=True)
    for low, values in ((0, 2), (1_225_308, 2), (0, 10)):
        tab = context.new_page()
        line = Line(np.arange(0, 3_600_000, 60_000), low + np.arange(60.0) % values)
        picture = panel("a", "", line, "UTC")
        script = (Path(charts.__file__).parent / "page.js").read_text()
        tab.set_content(f'<body data-zone="UTC"><div style="width:700px">{picture.svg}</div><script>{script}</script>')
        box = tab.locator("svg").bounding_box()
        told = set()
        for share in np.linspace(0.3, 0.9, 40):
            tab.mouse.move(box["x"] + share * box["width"], box["y"] + 0.5 * box["height"])
            told.add(tab.locator(".tip").inner_text().split()[0])
        assert {f"{low:,}", f"{low + 1:,}"} <= told <= {f"{low + n:,}" for n in range(values)}
    tab.goto(pages["report"].as_uri())
    tab.emulate_media(media="print")
    for cut in ("[aria-label='All tags']", ".copy >> nth=0"):
        assert tab.locator(cut).evaluate("each => each.scrollHeight - each.clientHeight") == 0


def test_runs_are_found_by_any_of_their_words(pages, browser):
    tab = browser.new_context(offline=True).new_page()
    tab.goto(pages["index"].as_uri())
    tab.get_by_label("Find").fill("failed cannot be reached")
    seen = tab.locator("tr[data-run]:visible")
    assert tab.locator("#found").inner_text() == f"{seen.count()} of 400 runs" and 0 < seen.count() < 20
    assert all("failed" in text for text in seen.all_inner_texts())
    picture = tab.locator("svg.tipped").first
    picture.scroll_into_view_if_needed()
    picture.hover()
    assert re.search(r" 20\d\d\nReadings read: ", tab.locator(".tip").inner_text())


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
