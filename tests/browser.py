"""Headless Chromium over its debugging pipe: no port, no further library."""

from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
BASH = shutil.which("bash")
WHY_NOT = "headless Chromium (Debian's package chromium) and bash are not here"
PATIENCE_S = 180.0
_OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe")


class Browser:
    """One page. As a context it ends with the block."""

    def __init__(self, folder: Path) -> None:
        assert CHROMIUM is not None, WHY_NOT
        assert BASH is not None, WHY_NOT
        reads, self._write = os.pipe()
        self._read, writes = os.pipe()
        command = [BASH, "-c", f'exec "$0" "$@" 3<&{reads} 4>&{writes}', CHROMIUM, *_OPTIONS]
        self._process = subprocess.Popen(
            [*command, f"--user-data-dir={folder}", "about:blank"],
            pass_fds=(reads, writes),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(reads)
        os.close(writes)
        self._numbers, self._rest, self._session = itertools.count(1), b"", ""
        self.faults: list[str] = []
        """Errors and warnings of the pages so far: of their console, and what their scripts did not catch."""
        page = self._first_page()
        self._session = self._ask("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Runtime", "Log", "Page"):
            self._ask(f"{domain}.enable")

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()
        os.close(self._read)
        os.close(self._write)

    def open(self, address: str, width: int = 1200, height: int = 900, dark: bool = False) -> None:
        """Go to ``address``, on a screen of that size."""
        self.resize(width, height)
        colours = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self._ask("Emulation.setEmulatedMedia", features=colours)
        self._ask("Page.navigate", url=address)
        self.wait("document.documentElement !== null && document.readyState === 'complete'")

    def resize(self, width: int, height: int) -> None:
        """The screen, in pixels; the page stays."""
        self._ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )

    def value(self, expression: str) -> Any:
        """Of a JavaScript expression on the page, awaited where it is a promise. Raises AssertionError where it
        throws."""
        found = self._ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def wait(self, expression: str, timeout_s: float = PATIENCE_S) -> None:
        """Until the expression is true."""
        end = time.monotonic() + timeout_s
        while not self.value(expression):
            assert time.monotonic() < end, f"{expression} is not true after {timeout_s} s"
            time.sleep(0.05)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Press the pointer at ``start``, move it to ``end``, release it; places in the window."""
        steps = [
            ("mouseMoved", start, 0),
            ("mousePressed", start, 1),
            *(
                ("mouseMoved", tuple(a + (b - a) * k / 4 for a, b in zip(start, end, strict=True)), 1)
                for k in (1, 2, 3, 4)
            ),
            ("mouseReleased", end, 0),
        ]
        for kind, (x, y), buttons in steps:
            self._ask(
                "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=buttons, clickCount=1
            )

    def picture(self) -> bytes:
        """The page as PNG."""
        return base64.b64decode(self._ask("Page.captureScreenshot", format="png")["data"])

    def _first_page(self) -> str:
        """Its number, as soon as the browser has opened it, which may be after it answers."""
        end = time.monotonic() + PATIENCE_S
        while True:
            targets = self._ask("Target.getTargets")["targetInfos"]
            if pages := [str(target["targetId"]) for target in targets if target["type"] == "page"]:
                (page,) = pages
                return page
            assert time.monotonic() < end, "the browser opened no page"
            time.sleep(0.05)

    def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        asked = {"id": number, "method": method, "params": parameters}
        if self._session:
            asked["sessionId"] = self._session
        os.write(self._write, json.dumps(asked).encode() + b"\0")
        while True:
            message = self._next()
            self._note(message)
            if message.get("id") == number:
                assert "error" not in message, message
                return dict(message["result"])

    def _note(self, message: dict[str, Any]) -> None:
        """Keep what a reader would find in the browser's console."""
        told = message.get("params", {})
        if message.get("method") == "Runtime.exceptionThrown":
            self.faults.append(str(told["exceptionDetails"].get("exception", told["exceptionDetails"])))
        elif message.get("method") == "Runtime.consoleAPICalled" and told["type"] in (
            "error",
            "warning",
            "assert",
        ):
            self.faults.append(" ".join(str(one.get("value", one)) for one in told["args"]))
        elif message.get("method") == "Log.entryAdded" and told["entry"]["level"] == "error":
            self.faults.append(told["entry"]["text"])

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            part = os.read(self._read, 1 << 16)
            assert part, "the browser has ended"
            self._rest += part
        text, self._rest = self._rest.split(b"\0", 1)
        return dict(json.loads(text))
