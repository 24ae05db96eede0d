"""What every page must do in a real browser: its controls work, its texts can be read, it fits the window."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.browser import Browser

HERE = Path(__file__).parent
CONTRAST_AT_LEAST = 4.5
"""WCAG 2.2, success criterion 1.4.3, level AA, for text of any size."""
WIDTHS_PX = (1200, 500)
VIEWS = tuple((width, dark) for width in WIDTHS_PX for dark in (False, True))
_HIGHEST_PX = 60_000


def use_every_control(browser: Browser, address: str) -> list[dict[str, Any]]:
    """Use all that the page at ``address`` offers to click, choose or slide.

    Returns ``path``, ``kind``, ``text`` and ``did`` of each control. Raises AssertionError where one does nothing, is
    of a kind that this cannot use, or leaves an error or a warning in the console.
    """
    browser.faults.clear()
    browser.open(address)
    browser.wait(_DRAWN)
    used = list(browser.value(f"({(HERE / 'page_controls.js').read_text(encoding='utf-8')})()"))
    idle = [one for one in used if not one["did"]]
    assert not idle, f"controls that do nothing: {idle}"
    assert not browser.faults, browser.faults
    return used


def read_everywhere(browser: Browser, address: str) -> None:
    """Open the page at 1200 and 500 px, light and dark.

    Raises AssertionError where the page scrolls sideways, where a text stands out less than 4.5 to 1, or where the
    console has an error or a warning.
    """
    browser.faults.clear()
    for width, dark in VIEWS:
        view = f"{width} px, {'dark' if dark else 'light'}"
        browser.open(address, width=width, dark=dark)
        browser.wait(_DRAWN)
        assert browser.value("document.documentElement.scrollWidth") <= width, f"{view}: scrolls sideways"
        browser.value("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        assert browser.value("document.documentElement.scrollWidth") <= width, (
            f"{view}, unfolded: scrolls sideways"
        )
        high = min(_HIGHEST_PX, int(browser.value("document.documentElement.scrollHeight")))
        browser.resize(width, high)
        found = browser.value(f"({(HERE / 'page_contrast.js').read_text(encoding='utf-8')})()")
        assert found, "no text"
        faint = [one for one in found if one["ratio"] < CONTRAST_AT_LEAST]
        assert not faint, f"{view}: texts that stand out too little: {faint}"
    assert not browser.faults, browser.faults


_DRAWN = "[...document.querySelectorAll('#explore-series, #explore-flows, #view')].every((one) => one.dataset.drawn)"
"""Pictures that scripts draw are there."""
