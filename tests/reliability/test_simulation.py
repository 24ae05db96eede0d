"""Goals 3 and 4: the real coordinator and nodes in virtual time, under everything that can go wrong
(tests/reliability/ simulation). A failing seed is shrunk and printed as the command that repeats it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from coordinator.ledger.verify import verify
from tests.reliability.simulation.explore import first_failure, run
from tests.reliability.simulation.variants import VARIANTS
from tests.reliability.simulation.world import NODES, SECONDS, simulate

ROOT = Path(__file__).parents[2]
FEW, MANY, MOST_FOR_A_VARIANT = 20, 20_000, 1_000
SPOTS = {
    "acknowledge-before-commit": 0,
    "commit-answered-when-queued": 0,
    "commit-reordered": 0,
    "epoch-not-raised-durably": 2,
    "recovery-skips-a-booking": 2,
    "lease-never-ends": 66,
    "settlement-without-usage": 0,
    "batches-not-deduplicated": 1,
    "transfer-duplicated": 0,
    "late-reading-refused": 2,
    "booked-by-estimate-and-again": 2,
    "acknowledges-one-too-many": 1,
    "fence-not-persisted": 0,
    "meter-read-again": 0,
    "grant-settled-twice": 2,
    "outbox-lost-on-restart": 5,
}
"""A seed at which each variant is caught: the suite runs that one first. What happens at a seed changes with what the
messages say, so when it has become a quiet one, and with ``--long``, the search begins at 0."""
FOUND = {2611: (0,), 5130: None, 5580: None, 5643: None}
"""Seeds that once broke a promise, with the faults that it took (None: all): a node went on to the next slot while the
grant of its last one was on the way, late, and told of a battery that the settlement then changed."""


def test_goal_3_no_seed_breaks_a_promise(
    request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    seeds = MANY if request.config.getoption("--long") else FEW
    begun = time.process_time()
    failure, count = first_failure(range(seeds))
    spent_s = time.process_time() - begun
    with capsys.disabled():
        print(f"\ngoal 3: {count} seeds x {SECONDS:g} virtual seconds, {len(NODES)} nodes", end="")
        print(f", {count / spent_s:.1f} a CPU second")
    assert failure is None, str(failure)


@pytest.mark.parametrize(("seed", "keep"), FOUND.items())
def test_goal_3_a_seed_that_broke_a_promise_breaks_none(seed: int, keep: tuple[int, ...] | None) -> None:
    assert run(seed, keep=keep).violations == ()


def test_goal_3_the_ledger_of_a_seed_is_sound(tmp_path: Path) -> None:
    """The file itself: chain, digests and triggers too, which the promises do not look at."""
    outcome = simulate(2, ledger_copy=tmp_path / "ledger.sqlite")
    report = verify(tmp_path / "ledger.sqlite")
    assert report.findings == []
    assert report.entries == outcome.entries > 50


@pytest.mark.processes
def test_goal_3_a_seed_gives_the_same_trace_in_every_process() -> None:
    """Also with another order of Python's sets."""
    command = [sys.executable, "-m", "tests.reliability.simulation", "--seed", "3", "--until", "20"]
    other = {**os.environ, "PYTHONHASHSEED": "1"}
    said = subprocess.run(command, env=other, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert run(3, until_s=20.0).trace in said


@pytest.mark.parametrize("variant", VARIANTS)
def test_goal_4_a_broken_variant_is_caught(
    variant: str, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    if not request.config.getoption("--long") and run(SPOTS[variant], variant).violations:
        return
    failure, count = first_failure(range(MOST_FOR_A_VARIANT), variant)
    assert failure is not None, f"{variant} was not noticed in {count} seeds"
    with capsys.disabled():
        print(f"\ngoal 4: {variant} is caught at seed {failure.seed}: {failure.command}")


def test_a_failing_seed_is_shrunk_to_a_command_that_repeats_it() -> None:
    failure, _ = first_failure(range(20), "acknowledge-before-commit")
    assert failure is not None
    assert failure.until_s < SECONDS
    command = failure.command.split()
    assert command[:3] == ["python", "-m", "tests.reliability.simulation"]
    assert "--variant acknowledge-before-commit" in failure.command
    repeated = run(failure.seed, failure.variant, failure.keep, failure.until_s)
    assert repeated.violations == failure.violations
    assert not run(failure.seed, "", failure.keep, failure.until_s).violations
