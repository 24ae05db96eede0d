"""Plans: what is run, and what is kept of it on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.errors import UsageError
from experiments.scenario.model import parse_scenario
from experiments.sweep.axes import parse_axes
from experiments.sweep.keys import Keys, Surroundings
from experiments.sweep.plan import Plan, as_dict, make_plan, read_plan, write_plan
from experiments.sweep.runs import Runs
from tests.experiments.sweep.energy import ENERGY


def plan_of(*sets: str, policies: list[str] | None = None, seeds: int = 1) -> Plan:
    return make_plan(parse_scenario(ENERGY), parse_axes(sets, random=False), policies, seeds)


def runs_of(plan: Plan) -> Runs:
    return Runs.of(plan, Keys(Surroundings("code", "data")), lambda: None)


def test_an_axis_named_policy_names_the_policies() -> None:
    plan = plan_of("policy=local,det", "nodes.count=1,2", seeds=3)
    assert (plan.policies, [axis.key for axis in plan.axes], plan.runs) == (
        ("local", "det"),
        ["nodes.count"],
        12,
    )
    with pytest.raises(UsageError, match="give one of them"):
        plan_of("policy=local,det", policies=["local"])
    with pytest.raises(UsageError, match="no policy is called"):
        plan_of("policy=lokal")


def test_a_plan_comes_back_from_its_file(tmp_path: Path) -> None:
    plan = plan_of(
        "time.start=2022-01-01T00:00:00Z,2022-07-01T00:00:00Z", 'nodes=[{zone="DE"}],[{zone="FR"}]'
    )
    write_plan(plan, tmp_path)
    assert as_dict(read_plan(tmp_path)) == as_dict(plan)
    (tmp_path / "sweep.json").write_text("{")
    with pytest.raises(UsageError, match="damaged"):
        read_plan(tmp_path)
    with pytest.raises(UsageError, match="no folder of a sweep"):
        read_plan(tmp_path / "none")


def test_an_axis_that_changes_nothing_is_refused() -> None:
    plan = plan_of("policy_options.rounds=2,3", policies=["det"])  # they are LOCAL's
    with pytest.raises(UsageError, match=r"policy_options\.rounds: its values 2, 3 change nothing"):
        runs_of(plan)


def test_cells_that_are_one_scenario_share_a_run() -> None:
    text = ENERGY.replace('policy = "local"', 'policy = "belief"')
    axes = parse_axes(["policy_options.rounds=2,3"], random=False)
    runs = runs_of(make_plan(parse_scenario(text), axes, ["local", "belief"], 1))
    assert sorted(len(found) for found in runs.by_key.values()) == [1, 1, 2]
    key = next(key for key, found in runs.by_key.items() if len(found) == 2)
    assert runs.spread({key: "kept"}) == {(0, "local", 0): "kept", (1, "local", 0): "kept"}


def test_seeds_are_checked_once() -> None:
    runs = runs_of(plan_of("nodes.count=1,2", seeds=5))
    checks = runs.checks(list(runs.by_key))
    assert len(runs.by_key) == 10
    assert [job.only_check for job, _ in checks.values()] == [True, True]
