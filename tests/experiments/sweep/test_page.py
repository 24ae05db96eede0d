"""The page of a sweep in a real browser: other choices give other pictures."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser import BASH, CHROMIUM, WHY_NOT, Browser
from tests.page_checks import read_everywhere, use_every_control

MOST_BYTES = 3_000_000
PICTURE = "document.querySelector('#view svg')?.outerHTML.replace(/(clip|gradient_)[0-9]+/g, '')"
TITLES = (
    "[...document.querySelectorAll('#view svg .role-axis-title text')].map((t) => t.textContent).join('|')"
)


def test_the_page_is_one_small_file_that_loads_nothing(swept: Path) -> None:
    page = (swept / "sweep.html").read_text()
    assert len(page.encode()) < MOST_BYTES
    assert "<script src" not in page
    assert "<link" not in page
    assert "BSD" in page or "Redistribution" in page  # the libraries' licences
    for name in ("lines.svg", "lines.pdf", "map.svg", "map.pdf"):
        assert (swept / "figures" / name).stat().st_size > 1000


def choose(browser: Browser, control: str, text: str) -> None:
    """As a person does, and wait until it is drawn."""
    before = browser.value("Number(document.getElementById('view').dataset.drawn)")
    browser.value(
        f"(() => {{ const box = document.getElementById('{control}');"
        f" box.value = [...box.options].find((o) => o.textContent === '{text}').value;"
        " box.dispatchEvent(new Event('change')); })()"
    )
    browser.wait(f"Number(document.getElementById('view').dataset.drawn) > {before}")


@pytest.mark.processes
@pytest.mark.skipif(CHROMIUM is None or BASH is None, reason=WHY_NOT)
def test_every_control_works_and_every_text_can_be_read(swept: Path, tmp_path: Path) -> None:
    page = (swept / "sweep.html").absolute().as_uri()
    with Browser(tmp_path / "browser") as browser:
        assert {"select", "summary"} <= {one["kind"] for one in use_every_control(browser, page)}
        read_everywhere(browser, page)


@pytest.mark.processes
@pytest.mark.skipif(CHROMIUM is None or BASH is None, reason=WHY_NOT)
def test_people_choose_axes_figure_and_policy(swept: Path, tmp_path: Path) -> None:
    with Browser(tmp_path / "browser") as browser:
        for width, dark in ((1200, False), (500, True)):
            browser.open((swept / "sweep.html").absolute().as_uri(), width=width, dark=dark)
            browser.wait("Boolean(document.getElementById('view')?.dataset.drawn)")
            assert "emissions (g CO2e)" in browser.value(TITLES)
            assert browser.value("document.documentElement.scrollWidth <= innerWidth")
            seen = {browser.value(PICTURE)}
            for control, text in (
                ("figure", "grid (J)"),
                ("x", "nodes.0.battery.capacity_wh"),
                ("fixed-limits.transfer_cap_fraction", "0.5"),
                ("series", "limits.transfer_cap_fraction"),
                ("policy", "LOCAL"),
                ("kind", "heat map"),
                ("policy", "DET"),
                ("x", "limits.transfer_cap_fraction"),
            ):
                choose(browser, control, text)
                seen.add(browser.value(PICTURE))
            assert len(seen) == 9, "every choice changes the picture"
            assert "nodes.0.battery.capacity_wh" in browser.value(TITLES)
