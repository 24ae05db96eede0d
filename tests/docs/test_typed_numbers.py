"""Result numbers come from recorded figures (docs/fill.py), or their page says when they were recorded."""

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
GENERATED = {"docs/run-folder.md", "docs/scenario.md"}
"""Pages written from code (``make check``)."""
INTERVAL = "95 %"
"""Of intervals: on many pages, and no result."""
CONSTANTS: dict[str, set[str]] = {
    "docs/reproduction.md": {
        "97.5 %",  # the paper's accuracy on MNIST
        "74.9 %",  # the paper's reduction
        "100 %",  # a bound
        "93 %",  # targets of scaled trainings
        "90 %",
        "25 %",
        "24 hours",  # look-ahead
        "1 %",  # a unit of traffic
    },
    "docs/command-line.md": {
        "1 %",  # a unit of traffic
    },
    "docs/tree-probe.md": {
        "20 times",  # a limit
    },
    "docs/forecasts.md": {
        "50 %",  # caps
        "48 hours",  # the study's delay
    },
    "docs/serving-and-tree.md": {
        "1 GFLOP/s",  # the board's profile
        "5.5 GB",  # published bandwidth
        "256 KiB",  # limits of the port
        "64 KiB",
        "44 %",  # uncertainty of a published factor
        "20 %",  # a quantile that is chosen
        "20 s",  # an example
    },
    "docs/uncertainty.md": {
        "15 %",  # widths that are drawn
        "2 %",
        "10 %",
        "100 %",  # a bound
        "5 %",  # level and power of the tests
        "80 %",
        "1 %",
    },
    "docs/troubleshooting.md": {
        "1 %",  # a difference to look for
    },
    "docs/reliability.md": {
        "36 MB",  # the size of a test's parcels
        "30 %",  # what the simulation draws
        "8 s",  # limits of streams, and of goals
        "10 s",
        "4 KiB",  # a sector
    },
    "docs/meters.md": {
        "50 s",  # 100 samples at 2 Hz
        "90 %",  # limits of what is refused
        "2 %",
        "1 %",
        "10 %",
    },
    "docs/daemons.md": {
        "500 MB",  # limits of the check and of the wait
        "30 s",
    },
    "docs/fine-tuning.md": {
        "1.8 MB",  # 460,800 numbers of four bytes
        "540 MB",  # 135 million of them
        "1 %",  # a limit
    },
    "docs/language-models.md": {
        "64 MiB",  # a limit
        "256 MiB",  # likewise
        "64 KiB",  # of a reading
        "128 KiB",  # of a decision
    },
    "docs/live-carbon.md": {
        "5 minutes",  # of the services
        "24 h",
        "48 h",
    },
    "docs/own-flower-app.md": {
        "10 MB",  # a limit
    },
    "docs/planning.md": {
        "80 %",  # power of the tests
        "1 %",  # a difference to look for
    },
    "docs/raspberry-pi.md": {
        "6 s",  # defaults
        "20 s",
        "1 GB",  # a board
    },
    "docs/twin.md": {
        "30 s",  # times of the instructions
        "40 s",
        "35 minutes",
        "5 %",  # what the instructions expect
        "1 %",
        "3 %",
        "0.5 to 1 %",  # a class of sensors
        "7 %",  # a display's last digit
    },
    "docs/wall-clock.md": {
        "5 %",  # of a slot, reserved
    },
    "docs/methods.md": {
        "50 %",  # the paper's caps, and figures of papers that the notes check
        "97.5 %",
        "74.9 %",
        "57 %",
        "70 %",
        "63.9 %",
        "53 %",
        "1.95 MB",
        "1.5 MB",
        "5 ms",
        "30 ms",
        "1 ms",
        "1008 GB",
        "24 h",  # choices and limits
        "20 s",
        "5 %",
        "10 %",
        "0.1 %",
        "1 %",
    },
    "docs/decisions/0008-published-baselines.md": {
        "30 s",  # drawn trainings
        "10 to 70 %",
        "60 %",
    },
    "docs/decisions/0009-several-services.md": {
        "20 ms",  # batches of the demo
        "28 to 112 ms",
    },
    "docs/decisions/0010-stored-energy.md": {
        "20 s",  # the limit of a decision
        "40 ms",  # slots of the example
        "2 %",  # what would change it
    },
    "docs/decisions/0012-failed-runs.md": {
        "1 %",  # the default
    },
    "docs/decisions/0016-large-fleets.md": {
        "0.1 %",  # the gap that is asked for
    },
    "docs/decisions/0017-virtual-fleet.md": {
        "64 MiB",  # a limit
    },
    "docs/decisions/0021-meters.md": {
        "50 ms",  # the example's load
        "20 times",
        "0.1 s",  # batches of samples
        "20 ms",  # limits
        "90 %",
        "50 times",
        "1 s",  # the window
        "4 ms",  # the trace's period
    },
    "docs/decisions/0022-daemons.md": {
        "252 KiB",  # limits
        "3 s",
        "2 s",
        "512 MiB",
    },
    "docs/decisions/0025-twin.md": {
        "0.3 s",  # an example
        "60 s",
    },
    "docs/decisions/0030-clock-offsets.md": {
        "60 s",  # how often it is measured
        "0.1 %",  # drift that is allowed for
    },
    "docs/decisions/0031-unknown-figures.md": {
        "44 %",  # uncertainty of a published factor
    },
}
"""Numbers of a page that are no results: of a paper, a choice, a limit."""
RECORDED: dict[str, set[str]] = {
    "docs/fine-tuning.md": {"2 GB"},
    "docs/methods.md": {"6 s", "37 s", "0.26 %", "0.05 %", "60 %", "75 %", "42 %"},
    "docs/tree-probe.md": {"60 to 90 times"},
    "docs/decisions/0009-several-services.md": {"10 %"},
    "docs/decisions/0010-stored-energy.md": {"2.4 times", "26 %", "1.8 %", "0.1 %", "8 %"},
    "docs/decisions/0014-libraries.md": {"8 %", "39 %"},
    "docs/decisions/0016-large-fleets.md": {
        "22 %", "0.11 ms", "0.5 ms", "0.04 %", "0.8 %", "1 %", "5.3 and 0.11 GiB", "5.8 and 0.74 GiB", "10 %",
        "90 %",
    },
    "docs/decisions/0017-virtual-fleet.md": {"24 times", "1.2 GiB", "12 MB", "125 CPU seconds", "0.5 ms"},
    "docs/decisions/0019-learning-on-rows.md": {
        "0.70 ms", "0.67 ms", "1.47 and 1.51 ms", "2.41 ms", "1.64 times", "1.4 ms", "48 ms",
    },
    "docs/decisions/0020-resume.md": {"3.5 ms", "0.6 MB", "26 ms", "470 ms", "13 ms"},
    "docs/decisions/0021-meters.md": {"18 %", "0.1 %", "1.5 %", "69 %", "66 to 86 %"},
}  # fmt: skip
"""Results that were recorded on the page itself, which says when, on what machine, and that they are not repeated."""
MARK = re.compile(r"recorded \d{4}-\d\d-\d\d(?:, [^,;)\n]+)?[,;] not repeated")


def typed(text: str) -> list[str]:
    """Result numbers outside of marked places and of code."""
    return [found[0] for found in RESULT.finditer(CODE.sub("", FENCE.sub("", PLACE.sub("", text))))]


@pytest.mark.parametrize("page", sorted(PAGES.keys() - GENERATED))
def test_no_result_number_is_typed_into_a_page(page: str) -> None:
    found = set(typed(PAGES[page].read_text(encoding="utf-8"))) - {INTERVAL}
    known = CONSTANTS.get(page, set()) | RECORDED.get(page, set())
    assert found - known == set(), (
        "record it (python -m benchmarks.record) and mark its place (docs/fill.py), or add it to the constants here"
    )
    assert known - found == set(), "no longer on the page"


@pytest.mark.parametrize("page", RECORDED)
def test_a_page_says_when_its_own_results_were_recorded(page: str) -> None:
    assert MARK.search(PAGES[page].read_text(encoding="utf-8"))


def test_every_page_of_the_lists_is_there() -> None:
    assert CONSTANTS.keys() | RECORDED.keys() | GENERATED <= PAGES.keys()


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
