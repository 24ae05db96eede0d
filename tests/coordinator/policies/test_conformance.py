"""The one suite that every policy passes, registered or from elsewhere: ``check_policy`` returns what it"""

from __future__ import annotations

import re
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.optimiser import large_fleet
from coordinator.market.decision import Feasible, FleetDecision
from coordinator.market.fleet import Fleet
from coordinator.market.instances import reference_day
from coordinator.market.physics import execute
from coordinator.market.window import window
from coordinator.negotiation.table import Negotiating
from coordinator.policies.conformance import check_named, check_policy
from coordinator.policies.guard import without_unselected
from coordinator.policies.local import Local, local_decision
from coordinator.policies.registry import POLICIES, PolicyError, docstring, make_policy
from coordinator.policies.validate import Check, violations
from coordinator.simulator.simulate import World, simulate

QUICK: dict[str, dict[str, Any]] = {"admm": {"rounds": 8}}
"""Options that make a slow policy quick: conformance is about limits kept, not about how near the optimum it gets."""


def negotiates(name: str) -> bool:
    return isinstance(make_policy(name), Negotiating)


class Broken(Local):
    """LOCAL with one violation."""

    def __init__(self, breakage: Any) -> None:
        self.breakage = breakage

    def decide(self, fleet: Fleet, state: Any) -> tuple[FleetDecision, Any]:
        return self.breakage(fleet, local_decision(fleet)), state


def _offload_all(fleet: Fleet, decision: FleetDecision) -> FleetDecision:
    return decision.with_dense(np.roll(decision.batches, 1, axis=1))


def _write(fleet: Fleet, decision: FleetDecision) -> FleetDecision:
    fleet.harvest_j.setflags(write=True)
    return decision


GUIDE = Path(__file__).parents[3] / "docs" / "own-policy.md"


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_policy_conforms(name: str) -> None:
    assert [str(violation) for violation in check_named(name, QUICK.get(name), seeds=3)] == []


@pytest.mark.parametrize(
    ("check", "breakage"),
    [
        (Check.CONSERVES, lambda fleet, d: d.with_dense(d.batches // 2)),
        (
            Check.CONSERVES,
            lambda fleet, d: d.with_dense(d.batches + np.eye(fleet.size, dtype=np.int64)),
        ),
        (Check.OFFLOAD_CAP, _offload_all),
        (Check.CAPACITY, lambda fleet, d: d.with_dense(d.batches * 100)),
        (Check.STORAGE, _offload_all),
        (Check.TRANSFER_CAP, lambda fleet, d: d.with_dense(transfer_j=d.transfer_j + 1e6)),
        (Check.SLEEP, lambda fleet, d: replace(d, awake=~d.awake)),
        (Check.FINITE, lambda fleet, d: replace(d, charge_j=d.charge_j + np.nan)),
        (Check.SHAPE, lambda fleet, d: replace(d, charge_j=np.zeros(99))),
        (Check.OUTCOME, lambda fleet, d: replace(d, outcome=Feasible(-1.0))),
        (Check.PURITY, _write),
        (Check.DETERMINISM, lambda fleet, d: replace(d, charge_j=np.random.default_rng().random(fleet.size))),
        (Check.ERROR, lambda fleet, d: 1 / 0),
    ],
)
def test_suite_catches(check: Check, breakage: Any) -> None:
    found = check_policy(lambda: Broken(breakage), seeds=1)
    assert check in {violation.check for violation in found}
    assert all(str(violation) for violation in found)


@pytest.mark.parametrize(("place", "kind", "negotiates"), [(0, "Deta2", False), (1, "QuietDet", True)])
def test_template_conforms(
    place: int, kind: str, negotiates: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), flags=re.DOTALL)[place]
    (tmp_path / "mylab_template.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    name = f"mylab_template:{kind}"
    try:
        assert [str(violation) for violation in check_named(name, seeds=2)] == []
        run = simulate(World(reference_day(4, nodes=3)), make_policy(name))
        assert run.unserved_batches.sum() == 0
        assert isinstance(make_policy(name), Negotiating) is negotiates
    finally:
        sys.modules.pop("mylab_template", None)


PAIRWISE = {"deta-tree"}
"""Prices joules in the program by pairs of nodes."""


@pytest.mark.parametrize(
    "name", sorted(name for name in POLICIES if name not in PAIRWISE and not negotiates(name))
)
def test_deciding_checking_and_executing_take_less_than_a_byte_a_pair(name: str) -> None:
    """4,000 nodes, 16 million pairs: no array has an entry for each of them, not even a mask."""
    fleet = window(large_fleet(4_000, 2), 1)
    fleet = replace(
        fleet,
        harvest_j=fleet.harvest_j + 50.0 * (np.arange(fleet.size) % 3)[:, None],
        true_intensity_g_per_kwh=fleet.intensity_g_per_kwh,
        true_harvest_j=fleet.harvest_j,
    )
    policy = make_policy(name)
    state = policy.init(0)
    tracemalloc.start()
    try:
        decision, _ = policy.decide(fleet, state)
        assert violations(fleet, decision) == []
        flows = execute(fleet, without_unselected(decision, fleet))
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < fleet.size**2
    np.testing.assert_allclose(flows.grid_j + flows.green_j, flows.demand_j, rtol=1e-9)


BROKEN = """from coordinator.policies.local import Local, local_decision


class LateRaise(Local):
    name = "late"

    def init(self, seed):
        return 0

    def decide(self, fleet, state):
        if state == 2:
            raise RuntimeError("slot 2 is not for me")
        return local_decision(fleet), state + 1


class Nan(Local):
    name = "nan"

    def decide(self, fleet, state):
        decision = local_decision(fleet)
        decision.discharge_j[:] = float("nan")
        return decision, state


class NoPolicy:
    pass
"""


def test_what_is_wrong_is_said_with_the_users_file_and_the_line_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lab_broken.py"
    path.write_text(BROKEN)
    (tmp_path / "lab_syntax.py").write_text("class X:\n    def f(self)\n        pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    late = check_named("lab_broken:LateRaise", seeds=0)
    # A policy is asked for more slots than two somewhere, so that what a state leads to is seen.
    assert [str(one) for one in late] == [
        f"ERROR: RuntimeError: slot 2 is not for me (at {path}:12) [one node]"
    ]
    nan = check_named("lab_broken:Nan", seeds=0)
    assert {one.check for one in nan} == {Check.FINITE}
    assert {one.place for one in nan} == {f"{path}:19"}
    assert str(nan[0]).startswith(f"FINITE: discharge_j holds nan (at {path}:19) [")
    with pytest.raises(PolicyError, match=rf"made a NoPolicy without name, init.*\(at {path}:25\); see docs"):
        check_named("lab_broken:NoPolicy")
    with pytest.raises(PolicyError, match=rf"SyntaxError.*\(at {tmp_path / 'lab_syntax.py'}:2\)"):
        check_named("lab_syntax:X")
    assert docstring("lab_broken:Nan") == ""
    assert docstring("local") != ""
