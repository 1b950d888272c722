"""JupyterLab as ``make lab`` starts it, in a browser; ``SENSORSTREAM_SHOTS`` names a folder for the pictures."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, sync_playwright

from sensorstream.cli.local_servers import lab_command, lab_environment
from sensorstream.config.sources import load
from sensorstream.pipeline.ingest import ingest
from sensorstream.project_files import project_folder
from sensorstream.sandbox.processes import HOST, answers, free_port, spawn, wait_until

VALVE = "plant2/packaging/unit1/valve"
TOKEN = "only-for-this-test"
KERNEL_MS = 120_000  # to start, import and draw, on a busy machine


@pytest.fixture
def address(plant, sandbox, tmp_path, monkeypatch) -> Iterator[str]:
    """A lake with the simulated plant in it, and JupyterLab on a copy of the notebooks, so that none is changed."""
    ingest(load(plant.config_path), plant.window)
    copy = shutil.copytree(project_folder("notebooks"), tmp_path / "notebooks")
    port = free_port()
    own = {f"JUPYTER_{what}_DIR": str(tmp_path / what) for what in ("CONFIG", "DATA", "RUNTIME")}
    own |= {f"JUPYTERLAB_{what}_DIR": str(tmp_path / what) for what in ("SETTINGS", "WORKSPACES")}
    own |= {"IPYTHONDIR": str(tmp_path / "ipython"), **lab_environment(tmp_path / "ours", plant.config_path)}
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    command = [*lab_command(copy), "--no-browser", f"--port={port}", f"--IdentityProvider.token={TOKEN}"]
    server = spawn(command, log=tmp_path / "lab.log", folder=tmp_path, environ=os.environ)
    try:
        assert wait_until(lambda: answers(port), 60), f"JupyterLab did not start: see {tmp_path / 'lab.log'}"
        yield f"http://{HOST}:{port}/?token={TOKEN}"
    finally:
        server.stop()


@contextmanager
def browser_page() -> Iterator[tuple[Page, list[str]]]:
    """A page, and what went wrong in it."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    assert program, "this test needs a browser: apt-get install chromium"
    wrong: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        yield page, wrong
        browser.close()


def first_time(app: Locator) -> str:
    """The earliest time of the line that is drawn first, as the plot knows it."""
    return app.locator(".js-plotly-plot").evaluate("plot => plot.data[0].x[0]")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_analyst_opens_the_lab_finds_a_tag_and_zooms_in(address, tmp_path):
    shots = Path(os.environ.get("SENSORSTREAM_SHOTS", tmp_path))
    with browser_page() as (page, wrong):
        page.goto(address)
        page.get_by_role("heading", name="Explore").wait_for(timeout=KERNEL_MS)
        page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for(timeout=KERNEL_MS)
        page.screenshot(path=shots / "explore-opened.png")
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_text("Run All Cells", exact=True).click()
        app = page.locator(".sensorstream-explore")
        plot = app.locator(".js-plotly-plot")
        plot.wait_for(timeout=KERNEL_MS)
        page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for(timeout=KERNEL_MS)

        search = app.get_by_placeholder("press temperature")
        search.fill("packaging valve")
        app.get_by_text(re.compile(r"^1 of \d+ tags$")).wait_for()
        app.locator("select[multiple]").select_option(label=VALVE)
        app.get_by_text("lake, 4 tags").wait_for()
        app.locator("td", has_text=VALVE).wait_for()
        app.get_by_role("button", name="Keep selected").click()
        search.fill("temperature")
        search.evaluate("field => field.scrollIntoView()")
        page.wait_for_timeout(1000)
        page.screenshot(path=shots / "explore.png")
        page.get_by_role("menuitem", name="Settings", exact=True).click()
        page.get_by_text("Theme", exact=True).hover()
        page.get_by_text("JupyterLab Dark", exact=True).click()
        page.wait_for_timeout(2000)
        page.screenshot(path=shots / "explore-dark.png")

        before = first_time(app)
        area = plot.locator(".nsewdrag").first.bounding_box()
        page.mouse.move(area["x"] + area["width"] * 0.5, area["y"] + 30)
        page.mouse.down()
        page.mouse.move(area["x"] + area["width"] * 0.6, area["y"] + 40, steps=5)
        page.mouse.up()
        page.wait_for_function("was => document.querySelector('.js-plotly-plot').data[0].x[0] > was", arg=before)
        page.screenshot(path=shots / "explore-zoomed.png")
        app.get_by_text("together", exact=True).click()
        app.locator(".legend").wait_for()
        app.get_by_text("historian", exact=True).click()
        app.get_by_text("historian, 4 tags").wait_for()
        page.screenshot(path=shots / "explore-together.png")
        assert not page.get_by_text("notified about official").count()
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert plot.bounding_box()["width"] > 0.9 * app.bounding_box()["width"]
    assert not wrong
