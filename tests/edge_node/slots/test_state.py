"""A node's state from slot to slot, and where the coordinator is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from edge_node.config import BatteryConfig, NodeConfig
from edge_node.meters.registry import build_meter
from edge_node.slots.errors import InvalidDecision, NotReady
from edge_node.slots.outbox import MemoryOutbox
from edge_node.slots.phases import Phase
from edge_node.slots.state import NodeState
from protos.messages.terms import Stage
from tests.edge_node.slots.steps import MakeNode

STAGES = (Stage.PREPARATION, Stage.DEVELOPMENT, Stage.RECYCLING)


def state_of(config: NodeConfig, workloads: Any) -> NodeState:
    meter = build_meter(config.meter, config.board, config.slot_s)
    return NodeState(config, workloads, meter, MemoryOutbox(), ())


@pytest.fixture
def make_state(make_node: MakeNode) -> Any:
    def make(**changes: Any) -> NodeState:
        node = make_node(**{"stages": STAGES, "deadline_slots": 1, **changes})
        return state_of(node.config, dict.fromkeys(node.config.stages, node.workload))

    return make


def test_a_new_state_whole(make_state: Any) -> None:
    state = make_state()
    assert (state.node_id, state.boot_id, state.slot) == ("n0", "", -1)
    assert (state.battery_uj, state.negotiates, state.mean_loss) == (50_000_000, False, None)
    assert (state.current, state.last, state.in_doubt) == (None, None, False)
    assert state.on_open == []
    assert state.slept() is False
    assert state.find(-1) is None
    state.skip_to_coordinator()
    assert state.current is None
    with pytest.raises(NotReady) as caught:
        state.require_current()
    assert str(caught.value) == "n0: no slot is open (before the first Welcome, or the run is over)"


@pytest.mark.parametrize(("fraction", "held_uj"), [(0.0, 0), (0.25, 25_000_001), (1.0, 100_000_003)])
def test_the_battery_begins_as_configured(make_state: Any, fraction: float, held_uj: int) -> None:
    battery = BatteryConfig(
        capacity_j=100.000003, initial_fraction=fraction, charge_limit_w=5.0, discharge_limit_w=5.0
    )
    assert make_state(battery=battery).battery_uj == held_uj
    assert make_state(battery=None).battery_uj == 0


def test_a_slot_that_is_left_is_kept_and_the_next_begins(make_state: Any) -> None:
    state, opened = make_state(), []
    state.on_open.append(lambda: opened.append(state.slot))
    state.open(0)
    first = state.require_current()
    assert (first.slot, first.stage, first.awake, first.phase) == (0, STAGES[0], True, Phase.OPEN)
    first.awake = False
    state.leave(first)
    assert first.phase is Phase.MISSED
    second = state.require_current()
    assert (second.slot, second.stage, second.awake) == (1, STAGES[1], False)
    assert (state.last, state.slot, state.in_doubt) == (first, 1, False)
    assert state.slept()
    assert (state.find(0), state.find(1), state.find(2)) == (first, second, None)
    second.awake, second.phase = True, Phase.REPORTED
    second.incoming = {"n1": object()}
    state.leave(second)
    assert (second.phase, second.incoming) == (Phase.REPORTED, {})
    assert not state.slept()
    state.leave(state.require_current())
    assert (state.current, state.slot, state.last.stage) == (None, 3, STAGES[2])
    assert opened == [0, 1, 2, 3]


def test_who_registers_after_the_end_has_missed_the_last_slot(make_state: Any) -> None:
    state = make_state()
    state.open(3)
    assert state.current is None
    assert (state.last.slot, state.last.stage) == (2, Stage.RECYCLING)
    assert (state.last.awake, state.last.phase) == (True, Phase.MISSED)
    assert state.slot == 3
    last = state.last
    state.open(3)
    assert state.last is last


def test_slots_that_went_by_are_left_with_their_work(make_state: Any) -> None:
    """Six batches a slot: those of slot 0 expire with their stage; those of slot 1 too once it went by."""
    state = make_state(stages=(Stage.DEVELOPMENT,) * 4)
    state.open(0)
    slot = state.require_current()
    slot.own = state.backlog.take(Stage.DEVELOPMENT, 4)
    state.in_doubt = True
    state.skip_to(1)
    assert (state.slot, state.in_doubt) == (1, False)
    assert state.backlog.counts(1) == (6, 6), "what was planned and not run came back"
    state.skip_to(1)
    assert state.slot == 1
    slot = state.require_current()
    slot.own, slot.result = state.backlog.take(Stage.DEVELOPMENT, 5), object()
    state.skip_to(3)
    assert state.slot == 3
    assert state.backlog.counts(3) == (6 + 6, 0)


def test_doubt_is_whether_the_coordinator_is_ahead(make_state: Any) -> None:
    state = make_state()
    state.coordinator_at(2)
    assert not state.in_doubt, "no slot is open"
    state.open(0)
    state.coordinator_at(0)
    assert not state.in_doubt
    state.coordinator_at(1)
    assert state.in_doubt
    state.leave(state.require_current())
    assert not state.in_doubt
    state.coordinator_at(2)
    assert state.in_doubt
    state.skip_to_coordinator()
    assert (state.slot, state.in_doubt) == (2, False)


def test_a_stage_without_a_workload_is_refused(make_state: Any, make_node: MakeNode) -> None:
    node = make_node(stages=STAGES)
    workloads = {Stage.PREPARATION: node.workload, Stage.DEVELOPMENT: node.workload}
    with pytest.raises(InvalidDecision, match=r"n0: no workload for stages \[.*recycling.*\]"):
        state_of(node.config, workloads)
    unallocated = node.config.model_copy(update={"stages": (Stage.UNALLOCATED,)})
    assert state_of(unallocated, {}).workloads == {}


def test_demand_takes_the_place_of_what_a_workload_releases(make_state: Any, make_node: MakeNode) -> None:
    node = make_node(stages=STAGES, deadline_slots=1)
    asked = node.config.model_copy(update={"demand": SimpleNamespace(batches=(3, 1, 4))})
    state = state_of(asked, dict.fromkeys(asked.stages, node.workload))
    assert [state.backlog.released_in(slot) for slot in range(3)] == [3, 1, 4]
    assert [make_state().backlog.released_in(slot) for slot in range(3)] == [6, 6, 6]
