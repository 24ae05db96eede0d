"""The page in a real browser, beside a real run in a process of its own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from experiments.live.server import serving
from experiments.live.watched import Watched
from tests.browser import BASH, CHROMIUM, WHY_NOT, Browser
from tests.e2e.held import Held
from tests.e2e.killing import BOOKED
from tests.page_checks import read_everywhere
from tests.scenarios import SMALL

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(CHROMIUM is None or BASH is None, reason=WHY_NOT),
]

ROOT = Path(__file__).parents[2]


def test_slots_appear_on_the_page_as_they_are_booked(tmp_path: Path) -> None:
    folder, scenario = tmp_path / "run", tmp_path / "small.toml"
    scenario.write_text(SMALL.replace("development = 4", "development = 30"))
    held = tmp_path / "held"
    held.mkdir()
    with (
        Held(
            held,
            BOOKED,
            10,
            *("run", str(scenario), "-o", str(folder), "--no-report"),
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as run,
        Browser(tmp_path / "profile") as browser,
    ):
        run.until_held()
        with serving(Watched(folder), 0) as (address, _):
            browser.open(address)
            browser.wait("Number(document.body?.dataset.ended) > 0")
            first = browser.value("Number(document.body?.dataset.ended)")
            assert first < 34
            run.let_go()
            browser.wait(f"Number(document.body?.dataset.ended) > {first}")
            browser.wait("document.getElementById('standing').textContent === 'finished'", timeout_s=600)
            assert browser.value("document.querySelectorAll('#nodes tr').length") == 4
            assert browser.value("document.getElementById('where').textContent").endswith(
                "slot 34 of 34 closed"
            )
            assert browser.value("document.querySelectorAll('#emissions path').length") == 1
            assert browser.picture().startswith(b"\x89PNG")
            browser.open(address, width=430, height=900, dark=True)
            browser.wait("document.body?.dataset.ended === '34'")
            wider = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            assert browser.value(wider) == 0
            assert "n0 · US-NW-SCL" in browser.value("document.getElementById('flows').textContent")
            read_everywhere(browser, address)
        assert run.process.wait() == 0
