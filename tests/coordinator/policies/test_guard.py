"""The guard: checks of a policy's decisions before they reach the nodes."""

from __future__ import annotations

import dataclasses
import importlib.util
import linecache
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coordinator.market.decision import Feasible, Infeasible, Optimal, home_and_moves
from coordinator.market.pairs import Pairs
from coordinator.policies.conformance import check_policy
from coordinator.policies.guard import PolicyFailedError, choose, first_state, without_unselected
from coordinator.policies.local import local_decision


class Says:
    """A policy that makes a given decision and counts how often it was asked."""

    name = "says"

    def __init__(self, decision: Any) -> None:
        self.decision = decision

    def init(self, seed: int) -> int:
        return 0

    def decide(self, fleet: Any, state: int) -> Any:
        return self.decision, state + 1


@pytest.fixture
def fleet(tmp_path: Path, kit: Any) -> Any:
    bench = kit.Bench(kit.make_config(tmp_path), Says(None))
    bench.join()
    drafted = bench.coordinator.service.deciding.draft().fleet
    bench.close()
    return drafted


def test_fleet_is_what_the_nodes_said(fleet: Any, kit: Any) -> None:
    assert fleet.node_ids == ("n00", "n01", "n02")
    assert fleet.intensity_g_per_kwh[:, 0].tolist() == [20.0, 500.0, 20.0]
    assert fleet.harvest_j[:, 0].tolist() == pytest.approx([41.000007, 82.000014, 123.000021])
    assert fleet.backlog_batches.tolist() == [[6]] * 3
    assert fleet.battery_j.tolist() == [100.000003] * 3
    assert fleet.stored_value_g_per_j[0] == pytest.approx(
        0.91 * 20.0 / 3.6e6
    )  # no more than the slot is known
    assert np.isnan(fleet.mean_loss).all()


@pytest.mark.parametrize(
    ("outcome", "status", "gap"),
    [
        (Optimal(1.5), "optimal", 0.0),
        (Feasible(0.01), "feasible", 0.01),
        (Feasible(0.2, "time limit"), "feasible: time limit", 0.2),
        (Feasible(None), "rule", None),
        (Feasible(None, "fallback: LOCAL's rule"), "fallback: LOCAL's rule", None),
        (Infeasible(("D7 time",)), "infeasible: D7 time", None),
    ],
)
def test_status_says_what_the_outcome_was(fleet: Any, outcome: Any, status: str, gap: float | None) -> None:
    decision = dataclasses.replace(local_decision(fleet), outcome=outcome)
    choice, state = choose(Says(decision), 0, fleet, lambda: 0.0)
    assert (choice.status, choice.gap_fraction, state) == (status, gap, 1)


@pytest.mark.parametrize(
    ("outcome", "noted", "objective"),
    [
        (Optimal(1.5), {"objective_g": 2.5}, 1.5),
        (Feasible(0.01), {"objective_g": 2.5}, 2.5),
        (Feasible(None, "fallback: LOCAL's rule"), {"objective_g": 2.5}, 2.5),
        (Infeasible(("D7 time",)), {"objective_g": 2.5, "messages": 3.0}, 2.5),
        (Feasible(0.01), {"messages": 3.0}, None),
        (Infeasible(("D7 time",)), {}, None),
    ],
)
def test_the_objective_is_that_of_the_outcome_or_as_noted(
    fleet: Any, outcome: Any, noted: dict[str, float], objective: float | None
) -> None:
    decision = dataclasses.replace(local_decision(fleet), outcome=outcome, notes=noted)
    choice, _ = choose(Says(decision), 0, fleet, iter([2.0, 2.75]).__next__)
    assert (choice.objective_g, choice.decide_s) == (objective, 0.75)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            dict(zip(("home_batches", "moves"), home_and_moves(np.full((3, 3), 2)), strict=True)),
            "OFFLOAD_CAP",
        ),
        ({"home_batches": np.array([7, 6, 6])}, "CONSERVES"),
        ({"home_batches": np.array([5, 6, 6])}, "CONSERVES"),
        ({"home_batches": np.ones(3)}, "SHAPE"),
        ({"transfers": Pairs.of_matrix(np.full((3, 3), 1e6))}, "TRANSFER_CAP"),
        ({"charge_j": np.array([np.inf, 0.0, 0.0])}, "FINITE"),
        ({"awake": np.array([True, False, True])}, "SLEEP"),
        ({"outcome": None}, "OUTCOME"),
        ({"notes": {"messages": np.nan}}, "NOTES"),
    ],
)
def test_decision_that_breaks_a_limit_is_replaced(fleet: Any, changes: dict[str, Any], said: str) -> None:
    decision = dataclasses.replace(local_decision(fleet), **changes)
    choice, state = choose(Says(decision), 0, fleet, lambda: 0.0)
    assert choice.status.startswith("fallback: ")
    assert said in choice.status
    assert np.array_equal(choice.decision.batches, np.diag([6, 6, 6]))
    assert state == 0


def test_a_replaced_decision_costs_its_time_and_its_long_status_is_cut(fleet: Any) -> None:
    class Raises(Says):
        def decide(self, fleet: Any, state: int) -> Any:
            raise RuntimeError("x" * 500)

    choice, state = choose(Raises(None), 4, fleet, iter([2.0, 2.75]).__next__)
    said = f"fallback: local rule, for says gave no plan that may be executed (at {__file__}:"
    assert choice.status.startswith(said)
    assert len(choice.status) == 400
    assert choice.status.endswith("xxx...")
    assert choice.decision.home_batches.tolist() == [6, 6, 6]
    assert (choice.gap_fraction, choice.objective_g, choice.decide_s, state) == (None, None, 0.75, 4)


def test_a_status_names_no_more_than_three_violations(fleet: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "coordinator.policies.guard.violations", lambda *_: ["A: 1", "B:\n 2", "C: 3", "D: 4"]
    )
    choice, _ = choose(Says(local_decision(fleet)), 0, fleet, lambda: 0.0)
    assert choice.status.endswith(": A: 1; B: 2; C: 3)")


def test_an_outcomes_text_is_cut_and_every_conflict_is_named(fleet: Any) -> None:
    for outcome, status in (
        (Feasible(None, "x" * 500), "rule: " + "x" * 391 + "..."),
        (Infeasible(("D7 time", "D5 room")), "infeasible: D7 time; D5 room"),
    ):
        decision = dataclasses.replace(local_decision(fleet), outcome=outcome)
        assert choose(Says(decision), 0, fleet, lambda: 0.0)[0].status == status


def test_a_policy_begins_with_the_seed_it_is_given_and_chooses_who_trains(fleet: Any) -> None:
    class Seeded(Says):
        def init(self, seed: int) -> int:
            return 10 * seed

    selected = np.array([True, False, True])
    policy = Seeded(dataclasses.replace(local_decision(fleet), selected=selected))
    state = first_state(policy, 7)
    choice, following = choose(policy, state, fleet, lambda: 0.0)
    assert (state, following) == (70, 71)
    assert choice.decision.home_batches.tolist() == [6, 0, 6]


@pytest.mark.parametrize("nonsense", [None, 7, "plan", ()])
def test_an_invalid_decision_is_replaced(fleet: Any, nonsense: Any) -> None:
    choice, _ = choose(Says(nonsense), 0, fleet, lambda: 0.0)
    assert choice.status.startswith("fallback: ")


OWN = """from coordinator.policies.local import Local


def decision_of(policy, fleet, state):
    return Local.decide(policy, fleet, state)[0]


class Bad(Local):
    name = "bad"

    def decide(self{more}, fleet, state):
        return {answer}


class Heir(Bad):
    pass
"""


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("42", "decide returned 42 (int); allowed is (FleetDecision, state)"),
        ("None", "decide returned None (NoneType)"),
        ("decision_of(self, fleet, state)", "(FleetDecision); allowed is (FleetDecision, state)"),
        ("42, state", "((int, int))"),
        ("(1, 2, 3)", "((int, int, int))"),
        ("replace(decision_of(self, fleet, state), notes=None), state", "NOTES: notes are None"),
        ("replace(decision_of(self, fleet, state), notes={'a': 'b'}), state", "NOTES: notes are {'a': 'b'}"),
        ("decision_of(self, fleet, state).with_dense([1]), state", "ValueError: batches is a list"),
        ("replace(decision_of(self, fleet, state), moves=[1]), state", "SHAPE: moves is a list"),
        ("replace(decision_of(self, fleet, state), outcome=Optimal(None)), state", "OUTCOME: optimal with"),
        ("replace(decision_of(self, fleet, state), outcome=Feasible('x')), state", "OUTCOME: feasible with"),
        (
            "replace(decision_of(self, fleet, state), outcome=Feasible(0.0, 3)), state",
            "OUTCOME: the outcome's",
        ),
        ("fleet, fleet.nothing_like_it", "AttributeError"),
    ],
)
def test_what_is_no_decision_is_reported_with_the_line_of_the_user_s_own_code(
    fleet: Any, tmp_path: Path, answer: str, said: str
) -> None:
    imports = "from dataclasses import replace\nfrom coordinator.market.decision import Feasible, Optimal\n"
    text = imports + OWN.format(more="", answer=answer)
    module = own_module(tmp_path, text)
    wrong = "return " + answer if "nothing_like_it" in answer or "with_dense" in answer else "def decide("
    place = f"{tmp_path / 'own_policy.py'}:{line_of(text, wrong)}"
    for policy in (module.Bad(), module.Heir()):
        choice, state = choose(policy, 0, fleet, lambda: 0.0)
        assert said in choice.status
        assert f"(at {place}: " in choice.status
        assert state == 0
    found = [str(each) for each in check_policy(module.Bad, 1)]
    assert found
    assert all(f"(at {place})" in each for each in found if each.startswith("ERROR"))


def test_a_decide_that_cannot_be_called_is_the_user_s_line(fleet: Any, tmp_path: Path) -> None:
    text = OWN.format(more=", extra", answer="42")
    module = own_module(tmp_path, text)
    choice, _ = choose(module.Bad(), 0, fleet, lambda: 0.0)
    assert "missing 1 required positional argument" in choice.status
    assert f"(at {tmp_path / 'own_policy.py'}:{line_of(text, 'def decide(')}: " in choice.status


def test_a_class_that_inherits_our_decide_is_told_by_its_own_line(fleet: Any, tmp_path: Path) -> None:
    text = "from coordinator.policies.local import Local\n\n\nclass Late(Local):\n    init = 3\n"
    module = own_module(tmp_path, text)
    with pytest.raises(PolicyFailedError, match=rf"at {tmp_path / 'own_policy.py'}:4\)"):
        first_state(module.Late(), 0)


def line_of(text: str, part: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), start=1) if part in line)


def own_module(folder: Path, text: str) -> Any:
    """A module of the user's from its file."""
    path = folder / "own_policy.py"
    path.write_text(text)
    linecache.checkcache(str(path))
    spec = importlib.util.spec_from_file_location("own_policy", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["own_policy"] = module  # where a class finds the file of its module
    spec.loader.exec_module(module)
    return module


def test_selection_binds_training_only(fleet: Any) -> None:
    selected = np.array([True, False, True])
    decision = dataclasses.replace(local_decision(fleet), selected=selected)
    assert np.diag(without_unselected(decision, fleet).batches).tolist() == [6, 0, 6]
    serving = dataclasses.replace(fleet, stage="application")
    assert np.diag(without_unselected(decision, serving).batches).tolist() == [6, 6, 6]


def test_batches_meant_for_an_unselected_executor_are_reported_unserved(fleet: Any) -> None:
    batches = np.diag([4, 6, 6])
    batches[0, 1] = 2
    decision = dataclasses.replace(local_decision(fleet), selected=np.array([True, False, True]))
    kept = without_unselected(decision.with_dense(batches), fleet)
    assert kept.batches.sum() == 4 + 6
    assert kept.unserved_batches.tolist() == [2, 0, 0]


def test_a_forecast_from_the_day_before_knows_one_day(tmp_path: Path, kit: Any) -> None:
    """Later slots are forecast as the same hour of that day, never read from the future."""
    config = kit.make_config(tmp_path)
    zones = tuple(
        zone.model_copy(update={"forecast_g_per_kwh": (10.0, 30.0, 1e6, 1e6)}) for zone in config.zones
    )
    config = config.model_copy(update={"zones": zones, "forecast_known_slots": 2, "known_slots": 4})
    bench = kit.Bench(config, Says(None))
    bench.join()
    fleet = bench.coordinator.service.deciding.draft().fleet
    bench.close()
    # Slots 1, 2, 3 are expected like slots 1, 0, 1.
    assert fleet.intensity_g_per_kwh[0].tolist() == [20.0, 30.0, 10.0, 30.0]
    assert fleet.decision_slots == 1


def test_what_is_known_reaches_further_than_what_is_decided(tmp_path: Path, kit: Any) -> None:
    """A joule left at the end of all that is known is worth the mean of its last day, as long as the run continues."""
    config = kit.make_config(tmp_path, slots=4, horizon_slots=1, known_slots=2, day_slots=2)
    bench = kit.Bench(config, Says(None))
    bench.join()
    fleet = bench.coordinator.service.deciding.draft().fleet
    bench.close()
    assert (fleet.decision_slots, fleet.horizon, fleet.later_slots, fleet.day_slots) == (1, 2, 2, 2)
    mean = fleet.intensity_g_per_kwh.mean(axis=1) / 3.6e6
    assert fleet.stored_value_g_per_j == pytest.approx(fleet.discharge_efficiency * mean)
    whole = kit.make_config(tmp_path / "whole", slots=4, horizon_slots=1, known_slots=4, day_slots=2)
    bench = kit.Bench(whole, Says(None))
    bench.join()
    fleet = bench.coordinator.service.deciding.draft().fleet
    bench.close()
    assert (fleet.horizon, fleet.later_slots, fleet.stored_value_g_per_j.tolist()) == (4, 0, [0.0, 0.0, 0.0])


def test_calibrated_costs_are_in_the_notes(fleet: Any) -> None:
    plain = local_decision(fleet)
    told, _ = choose(Says(plain), 0, fleet, lambda: 0.0)
    assert "calibrated_nodes" not in told.decision.notes
    measured = dataclasses.replace(fleet, calibrated=np.array([True, False, True]))
    told, _ = choose(Says(plain), 0, measured, lambda: 0.0)
    assert told.decision.notes["calibrated_nodes"] == 2.0
