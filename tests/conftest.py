"""Shared settings of the test suite."""

from __future__ import annotations

import compileall
import os
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import hypothesis
import hypothesis.strategies._internal.regex
import pytest
from hypothesis.internal.conjecture import providers

from tests.once import close_session, open_session

# hypothesis's module of regular expressions is imported at once: pytest would compile it in the middle of a test. That
# fails where Python 3.11 meanwhile collects a task whose error is logged with its traceback ("AST constructor recursion
# depth mismatch", seen once in a whole run).

# Set before torch or Flower are imported anywhere: one thread per process, no telemetry, no update checks.
for _name, _value in {
    "OMP_NUM_THREADS": "1",
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}.items():
    os.environ.setdefault(_name, _value)

ROOT = Path(__file__).parents[1]
PACKAGES = ("carbon_data", "protos", "coordinator", "edge_node", "experiments", "detabed", "benchmarks")
"""Compiled before the first test, where Python is forbidden to keep what it compiles (PYTHONDONTWRITEBYTECODE) too: the
suite starts hundreds of processes, and each would compile all that it imports."""

FOLDER_MARKS = ("boards", "contract", "golden", "e2e", "reliability")

# The same examples on every machine and in every run; ``--long`` draws new ones. How long they are drawn is no verdict.
_TIMELESS = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("default", print_blob=True, derandomize=True, **_TIMELESS)
hypothesis.settings.register_profile("long", max_examples=10_000, **_TIMELESS)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also run the large counts (marker: long)")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--long"):
        hypothesis.settings.load_profile("long")
    else:
        hypothesis.settings.load_profile("default")
        # Hypothesis also draws constants that it finds in the modules of this project. Which of them are loaded depends
        # on the tests that ran before in the same worker: the examples of one test were others in every run.
        providers.is_local_module_file = lambda path: False
    if shared := open_session():
        config.add_cleanup(lambda: close_session(shared))
        for package in PACKAGES:
            compileall.compile_dir(ROOT / package, quiet=2)


@pytest.hookimpl(tryfirst=True)  # before the fixtures, which may draw too
def pytest_runtest_setup() -> None:
    """Models and inputs that a test draws without a seed are the same in every run. Torch begins each process with
    another seed: a comparison of gradients failed for one draw in 400, in which two neighbours of a pooling layer are
    equal but for rounding."""
    if torch := sys.modules.get("torch"):
        torch.manual_seed(0)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Every worker reads all modules of tests: what pytest made of them is kept from run to run, as where Python may
    keep what it compiles."""
    forbidden, sys.dont_write_bytecode = sys.dont_write_bytecode, False
    try:
        return (yield)
    finally:
        sys.dont_write_bytecode = forbidden


@pytest.fixture(scope="session", autouse=True)
def _figures_are_drawn_in_one_process() -> Iterator[None]:
    """Workers leave each other no idle core, and a second process imports longer than a small report is drawn. Tests of
    the second process and commands in processes of their own have one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("experiments.report.second_process.cpu_count", lambda: 1)
        yield


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
    """Order and groups for several workers (``-n``): each module is a group, so that its fixtures are made once.

    Modules in which processes are started come first, on all workers: they wait more than they compute, so that some
    at once still leave each other the machine, and tests that only compute fill it afterwards. Those on hosts of
    network namespaces are one group: a host that a killed process left is removed by the next one that starts.
    The long ones go first, so that no worker is left waiting at the end.
    """
    module = {item: item.nodeid.split("::")[0] for item in items}
    starting = {module[item] for item in items if "processes" in item.keywords}
    for item in items:
        hosts = module[item] in starting and item.nodeid.startswith("tests/boards/")
        item.add_marker(pytest.mark.xdist_group("hosts" if hosts else module[item]))
    items.sort(
        key=lambda item: (
            module[item] not in starting,
            not item.nodeid.startswith("tests/boards/"),
            not item.nodeid.startswith(("tests/experiments/", "tests/e2e/")),
        )
    )
