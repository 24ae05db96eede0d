"""Result numbers come from recorded figures (docs/fill.py) and are not typed into pages of results."""

from __future__ import annotations

import re

import pytest

from docs.fill import PLACE
from tests.docs.blocks import FENCE, PAGES

RESULT = re.compile(
    r"(?<![\w.-])\d+(?:[.,]\d+)*(?: (?:to|and) \d+(?:[.,]\d+)*)? ?"
    r"(?:%|times\b|GFLOP/s|[KMG]i?B\b|(?:CPU )?(?:s|ms|h|seconds?|minutes?|hours?)\b)"
)
"""A number with a unit that results have."""
CODE = re.compile(r"`[^`\n]*`")
CONSTANTS: dict[str, set[str]] = {
    "README.md": set(),
    "docs/performance.md": set(),
    "docs/reproduction.md": {
        "97.5 %",  # the paper's accuracy on MNIST
        "74.9 %",  # the paper's reduction
        "95 %",  # intervals
        "100 %",  # a bound
        "93 %",  # targets of scaled trainings
        "90 %",
        "25 %",
    },
    "docs/forecasts.md": {
        "50 %",  # caps
        "95 %",  # intervals
        "48 hours",  # the study's delay
    },
    "docs/serving-and-tree.md": {
        "1 GFLOP/s",  # the board's profile
        "5.5 GB",  # published bandwidth
        "256 KiB",  # limits of the port
        "64 KiB",
        "44 %",  # uncertainty of a published factor
    },
    "docs/uncertainty.md": {
        "15 %",  # widths that are drawn
        "2 %",
        "10 %",
        "95 %",  # intervals
        "100 %",  # a bound
        "5 %",  # level and power of the tests
        "80 %",
        "1 %",
    },
    "docs/troubleshooting.md": {
        "1 %",  # a difference to look for
    },
}
"""Pages of results, each with the numbers that are no results: of a paper, a choice, a limit."""


def typed(text: str) -> list[str]:
    """Result numbers outside of marked places and of code."""
    return [found[0] for found in RESULT.finditer(CODE.sub("", FENCE.sub("", PLACE.sub("", text))))]


@pytest.mark.parametrize("page", CONSTANTS)
def test_no_result_number_is_typed_into_a_page(page: str) -> None:
    found = set(typed(PAGES[page].read_text(encoding="utf-8")))
    assert found - CONSTANTS[page] == set(), (
        "record it (python -m benchmarks.record) and mark its place (docs/fill.py), or add it to the constants here"
    )
    assert CONSTANTS[page] - found == set(), "no longer on the page"


@pytest.mark.parametrize(
    "text",
    [
        "0.5 %",
        "3 to 4 %",
        "1.5 times",
        "12 s",
        "0.3 ms",
        "1,700 CPU seconds",
        "16 h",
        "6.8 GiB",
        "58 MB",
        "24 minutes",
    ],
)
def test_a_result_number_is_noticed(text: str) -> None:
    assert typed(f"It takes {text} here.") == [text]


@pytest.mark.parametrize(
    "text",
    [
        "24 slots of 10 nodes",
        "`slot_s = 3 s`",
        "```sh\nsleep 3 s\n```",
        "<!-- figures: {demo:share|percent0} -->\n39 %\n<!-- end of figures -->",
        "decision 16 says",
    ],
)
def test_other_numbers_are_not(text: str) -> None:
    assert typed(f"\n{text}\n") == []
