"""Shared settings of the test suite."""

from __future__ import annotations

import os

import hypothesis
import pytest

# Set before torch or Flower are imported anywhere: one thread per process, no telemetry, no update checks.
for _name, _value in {
    "OMP_NUM_THREADS": "1",
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}.items():
    os.environ.setdefault(_name, _value)

FOLDER_MARKS = ("boards", "contract", "golden", "e2e", "reliability")

# The same examples on every machine and in every run; ``--long`` draws new ones.
hypothesis.settings.register_profile("default", deadline=None, print_blob=True, derandomize=True)
hypothesis.settings.register_profile("long", deadline=None, max_examples=10_000)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also run the large counts (marker: long)")


def pytest_configure(config: pytest.Config) -> None:
    hypothesis.settings.load_profile("long" if config.getoption("--long") else "default")


@pytest.hookimpl(tryfirst=True)  # before xdist, which reads the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        folder = item.nodeid.split("/")[1]
        if folder in FOLDER_MARKS:
            item.add_marker(folder)
    _spread(items)
    if config.getoption("--long"):
        return
    deselected = [item for item in items if "long" in item.keywords]
    if deselected:
        config.hook.pytest_deselected(items=deselected)
        items[:] = [item for item in items if "long" not in item.keywords]


def _spread(items: list[pytest.Item]) -> None:
    """Order and groups for several workers (``-n``): one group for all that start processes, one for each other module.

    Ray and other processes of a test need the machine to themselves, so those tests share a worker; fixtures of a
    module are made once. The longest go first, so that no worker is left waiting at the end.
    """
    for item in items:
        group = "processes" if "processes" in item.keywords else item.nodeid.split("::")[0]
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(
        key=lambda item: (
            "processes" not in item.keywords,
            not item.nodeid.startswith(("tests/experiments", "tests/e2e")),
        )
    )
