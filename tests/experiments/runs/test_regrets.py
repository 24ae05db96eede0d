"""Regrets of a comparison's runs, beside the runs and afterwards."""

from __future__ import annotations

import contextlib
import json
import threading
from pathlib import Path

import pytest

from carbon_data.types import DataError
from experiments.report.read import load
from experiments.resolve.prepare import open_scenario
from experiments.resolve.resolve import resolve
from experiments.run_folder.files import COMPARE
from experiments.runs.regrets import Regrets


def threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "regrets"}


@pytest.mark.parametrize("beside", [True, False])
def test_regrets_are_those_of_the_comparison_and_runs_are_read_once(
    small_comparison: Path, small_scenario: Path, beside: bool
) -> None:
    study = load(small_comparison)
    earlier = threads()
    regrets = Regrets(small_comparison, beside=beside)
    names = ["local-s0", "deta-s0", "local-s1", "deta-s1"]
    for name in names:
        policy, seed = name.split("-s")
        scenario = open_scenario(str(small_scenario))
        spec = scenario.model_copy(update={"policy": policy, "seed": int(seed)})
        regrets.add(resolve(spec), name)
        assert len(threads() - earlier) == beside
    found, runs = regrets.finish()
    assert found == json.loads((small_comparison / COMPARE).read_text())["regret"] == study.regret
    assert list(runs) == names
    again = load(small_comparison, runs=runs)
    assert all(again.runs[run.policy][run.seed] is run for run in runs.values())


def test_a_run_that_cannot_be_read_is_told_where_the_regrets_are_asked_for(
    small_comparison: Path, small_scenario: Path
) -> None:
    regrets = Regrets(small_comparison, beside=True)
    regrets.add(resolve(open_scenario(str(small_scenario))), "no-such-run")
    with pytest.raises(DataError, match="no-such-run"):
        regrets.finish()


def test_the_thread_of_a_comparison_that_is_broken_off_ends(
    small_comparison: Path, small_scenario: Path
) -> None:
    earlier = threads()
    regrets = Regrets(small_comparison, beside=True)
    with contextlib.suppress(KeyboardInterrupt), regrets:
        regrets.add(resolve(open_scenario(str(small_scenario))), "local-s0")
        (thread,) = threads() - earlier
        raise KeyboardInterrupt
    thread.join(60.0)
    assert not thread.is_alive()
