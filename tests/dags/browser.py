"""A headless Chromium over its debugging protocol: as much as a test needs to see a page as a user does."""

from __future__ import annotations

import base64
import json
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from sensorstream.sandbox.processes import HOST, answers, free_port, spawn, wait_until

WIDTH, HEIGHT = 1280, 900
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Browser:
    """One tab."""

    def __init__(self, wire: ClientConnection) -> None:
        self._wire, self._number = wire, 0

    def send(self, method: str, **words: Any) -> Any:
        self._number += 1
        self._wire.send(json.dumps({"id": self._number, "method": method, "params": words}))
        while (answer := json.loads(self._wire.recv(timeout=60))).get("id") != self._number:
            pass
        assert "error" not in answer, answer
        return answer["result"]

    def js(self, expression: str) -> Any:
        result = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def open(self, address: str) -> None:
        self.send("Page.navigate", url=address)
        self.wait("document.readyState === 'complete'")

    def wait(self, expression: str, seconds: float = 60) -> Any:
        end = time.monotonic() + seconds
        while not (found := self.js(expression)):
            assert time.monotonic() < end, f"never: {expression}; the page says: {self.js('document.body.innerText')}"
            time.sleep(0.3)
        return found

    def click(self, selector: str, text: str = "") -> None:
        """Click the last visible element that fits the selector and holds the text."""
        found = (
            f"[...document.querySelectorAll({json.dumps(selector)})].filter(e => e.offsetParent !== null"
            f" && e.innerText.trim().includes({json.dumps(text)})).at(-1)"
        )
        self.wait(f"!!({found})")
        self.js(f"{found}.click()")

    def type(self, selector: str, text: str) -> None:
        """Put the text into a field, so that the page's own script hears of it."""
        field = f"document.querySelector({json.dumps(selector)})"
        self.wait(f"!!{field}")
        self.js(
            f"(e => {{ const kind = Object.getOwnPropertyDescriptor(e.constructor.prototype, 'value');"
            f" kind.set.call(e, {json.dumps(text)});"
            " for (const name of ['input', 'change', 'blur'])"
            f" e.dispatchEvent(new Event(name, {{bubbles: true}})); }})({field})"
        )

    def shot(self, path: Path) -> None:
        time.sleep(1)  # what moves comes to rest
        path.write_bytes(base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"]))


@contextmanager
def browser(program: str, folder: Path) -> Iterator[Browser]:
    """A new tab of a browser that remembers nothing."""
    port = free_port()
    process = spawn(
        [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-proxy-server", "--disable-dev-shm-usage",
         f"--remote-debugging-port={port}", f"--window-size={WIDTH},{HEIGHT}", f"--user-data-dir={folder / 'profile'}"],
        log=folder / "browser.log", folder=folder, environ={"PATH": "/usr/bin:/bin", "HOME": str(folder)},
    )  # fmt: skip
    try:
        assert wait_until(lambda: answers(port), 60), f"the browser did not start: see {folder / 'browser.log'}"
        new = urllib.request.Request(f"http://{HOST}:{port}/json/new?about:blank", method="PUT")
        with _DIRECT.open(new, timeout=30) as answer:
            address = json.load(answer)["webSocketDebuggerUrl"]
        with connect(address, max_size=None, proxy=None) as wire:
            tab = Browser(wire)
            tab.send(
                "Emulation.setDeviceMetricsOverride", width=WIDTH, height=HEIGHT, deviceScaleFactor=1, mobile=False
            )
            yield tab
    finally:
        process.stop()
