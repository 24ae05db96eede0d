"""Work that may wait: how much (D5) lets run elsewhere, what a decision leaves, what was missed, (D4). Pure."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from coordinator.config import LimitsConfig
from coordinator.market.backlog import Backlog
from coordinator.policies.local import Local
from coordinator.policies.registry import make_policy
from coordinator.slots.deferral import (
    as_planned,
    count_missed,
    left_after,
    missed_batches,
    offload_room,
    offload_rooms,
    waiting_batches,
)
from coordinator.slots.state import NodeState, SlotState
from edge_node.columns.backlog import BacklogColumns
from protos.messages.runner import SlotPlan
from protos.messages.slot import Decision, Moved, Send, Telemetry, Usage
from protos.messages.terms import Stage


def test_offload_room_of_a_release_holds_over_slots_and_restarts(tmp_path: Path, kit: Any) -> None:
    """(D5) is per release: the share sent in the first slot may not be sent again in the second."""
    config = kit.make_config(tmp_path, nodes=2, limits=LimitsConfig(deadline_slots=1))
    bench = kit.Bench(config, make_policy("local"))
    bench.join()
    telemetry = bench.coordinator.service.books.waiting["n00"]
    assert telemetry.backlog_batches == (0, 6)
    books = bench.coordinator.service.books
    assert offload_room(books.config, books.nodes["n00"], telemetry) == (0, 3)
    books.nodes["n00"].carried_batches, books.nodes["n00"].carried_room = (4, 0), (1, 0)
    later = dataclasses.replace(telemetry, backlog_batches=(4, 5))
    assert offload_room(books.config, books.nodes["n00"], later) == (1, 2)
    bench.close()


def test_offload_room_of_work_released_late_joins_that_of_work_that_waited(tmp_path: Path, kit: Any) -> None:
    """(D5) near the end of a stage: new work is due with older work, in its class; each has its own share."""
    stages = (Stage.DEVELOPMENT,) * 3 + (Stage.APPLICATION,)
    limits = LimitsConfig(deadline_slots=2, offload_cap_fraction=0.5)
    config = kit.make_config(tmp_path, nodes=2, stages=stages, limits=limits)
    bench = kit.Bench(config, make_policy("local"))
    bench.join()
    books = bench.coordinator.service.books
    state, telemetry = books.nodes["n00"], books.waiting["n00"]
    # In slot 1 new work may wait one slot, to the stage's end: five of eleven in that class waited, with room for one.
    state.carried_room, state.carried_batches = (2, 1, 0), (4, 5, 0)
    late = dataclasses.replace(telemetry, slot=1, backlog_batches=(4, 11, 0))
    assert offload_room(books.config, books.nodes["n00"], late) == (2, 1 + 3, 0)
    # A class never has more room than batches. What the plan has left urgent stays so: the node has less of both.
    less = dataclasses.replace(telemetry, slot=1, backlog_batches=(0, 1, 0))
    assert waiting_batches(books.config, books.nodes["n00"], less) == (1, 0, 0)
    assert offload_room(books.config, books.nodes["n00"], less) == (1, 0, 0)
    # In the stage's last slot all new work is due at once.
    state.carried_room, state.carried_batches = (1, 0, 0), (2, 0, 0)
    last = dataclasses.replace(telemetry, slot=2, backlog_batches=(8, 0, 0))
    assert offload_room(books.config, books.nodes["n00"], last) == (1 + 3, 0, 0)
    bench.close()


@pytest.mark.parametrize(
    ("stage", "slot", "backlog", "room"),
    [
        # New requests are due one slot later, with older ones.
        (Stage.APPLICATION, 0, (4, 11, 0), (2, 1 + 3, 0)),
        (
            Stage.DEVELOPMENT,
            0,
            (4, 5, 6),
            (2, 1, 3),
        ),  # training has two slots: new work has a class of its own
        (Stage.DEVELOPMENT, 1, (4, 11, 0), (2, 1 + 3, 0)),  # one slot of the run is left
        (Stage.APPLICATION, 2, (10, 5, 0), (2 + 3, 1, 0)),  # none is
    ],
)
def test_requests_wait_no_longer_than_their_latency_target_and_nothing_beyond_the_run(
    tmp_path: Path, kit: Any, stage: Stage, slot: int, backlog: tuple[int, ...], room: tuple[int, ...]
) -> None:
    """(4, 5, 0) batches had waited, with room for (2, 1, 0): of 6 new ones half may leave."""
    limits = LimitsConfig(deadline_slots=2, offload_cap_fraction=0.5)
    config = kit.make_config(tmp_path, nodes=2, stages=(stage,) * 3, limits=limits, request_deadline_slots=1)
    bench = kit.Bench(config, make_policy("local"))
    bench.join()
    books = bench.coordinator.service.books
    state = books.nodes["n00"]
    state.carried_room, state.carried_batches = (2, 1, 0), (4, 5, 0)
    told = dataclasses.replace(books.waiting["n00"], slot=slot, backlog_batches=backlog)
    assert waiting_batches(books.config, books.nodes["n00"], told) == backlog
    assert offload_room(books.config, books.nodes["n00"], told) == room
    bench.close()


class Sender(Local):
    """n00 runs one batch at home and three at n01; the rest of its work waits. All others run everything at home."""

    name = "sender"

    def decide(self, fleet: Any, state: Any) -> Any:
        decision, state = super().decide(fleet, state)
        batches = decision.batches.copy()
        batches[0, 0], batches[0, 1] = 1, 3
        return decision.with_dense(batches), state


@pytest.mark.parametrize("restart", [False, True])
def test_offload_room_of_work_that_waited_is_what_its_release_has_left(
    tmp_path: Path, kit: Any, restart: bool
) -> None:
    """(D5) over two slots: of 8 batches 4 may leave; 3 left and 1 ran at home, so that 1 of the 4 that waited may.
    Of 10 new ones 5 may."""
    config = kit.make_config(tmp_path, nodes=2, limits=LimitsConfig(deadline_slots=1))
    bench = kit.Bench(config, Sender())
    for stub in bench.nodes.values():
        stub.release = 8
    bench.join()
    bench.run_slot(0)
    if restart:
        bench.restart()
        bench.join()
    books = bench.coordinator.service.books
    assert books.slots[0].away == {"n00": 3}
    assert books.nodes["n00"].carried_batches == (4, 0)
    assert books.nodes["n00"].carried_room == (1, 0)
    later = dataclasses.replace(books.waiting["n00"], backlog_batches=(4, 10))
    assert offload_room(books.config, books.nodes["n00"], later) == (1, 5)
    bench.close()


class SenderWhileItMay(Sender):
    """Alone, a node runs all that is due at home."""

    def decide(self, fleet: Any, state: Any) -> Any:
        return super().decide(fleet, state) if fleet.size > 1 else Local().decide(fleet, state)


@pytest.mark.parametrize("restart", [False, True])
def test_what_waits_at_a_lost_node_is_a_slot_older_after_every_slot(
    tmp_path: Path, kit: Any, restart: bool
) -> None:
    """Of 8 batches that may wait two slots 3 left and 1 ran at home; then n00 is lost for a slot. It comes back with
    the 4 due now and 8 new ones, due in two slots."""
    config = kit.make_config(
        tmp_path, nodes=2, limits=LimitsConfig(deadline_slots=2), stages=(Stage.DEVELOPMENT,) * 6
    )
    bench = kit.Bench(config, SenderWhileItMay())
    for stub in bench.nodes.values():
        stub.release = 8
    bench.drop = lambda node, message: node == "n00" and isinstance(message, Telemetry) and message.slot == 1
    bench.join()
    bench.run_slot(0)
    books = bench.coordinator.service.books
    assert (books.nodes["n00"].carried_batches, books.nodes["n00"].carried_room) == ((0, 4, 0), (0, 1, 0))
    bench.run_slot(1)
    if restart:
        bench.restart()
        bench.join()
        books = bench.coordinator.service.books
    state = books.nodes["n00"]
    assert "n00" not in books.slots[1].decisions
    assert (state.carried_batches, state.carried_room) == ((4, 0, 0), (1, 0, 0))
    told = Telemetry("n00", "boot", 2, 0, 0, (0,), (4, 0, 8))
    assert waiting_batches(books.config, state, told) == (4, 0, 8)
    assert offload_room(books.config, state, told) == (1, 0, 4)
    bench.close()


def test_what_a_decision_leaves_is_whole_and_its_room_no_more_than_its_batches(kit: Any) -> None:
    """Three classes of (3, 4, 6) batches, of which (1, 2, 4) may leave. One left and two ran at home: the most urgent
    first. Then a class of its own for what is new. The figures of the two fields are plain integers."""
    config = config_of(deadline_slots=2, cap=0.75)
    state = NodeState(kit.profile(0), "boot", "", carried_room=(1, 2, 0), carried_batches=(3, 4, 0))
    told = Telemetry("n00", "boot", 1, 0, 0, (0,), (3, 4, 6))
    sends = (Send("n01", "", 1), Send("n02", "", 2))
    decided = Decision("n00", 1, 0, Stage.DEVELOPMENT, True, 2, sends, (), 0, 0, 0, 5.0)
    assert offload_room(config, state, told) == (1, 2, 4)
    left = left_after(config, state, told, decided)
    assert left == ((2, 6, 0), (0, 4, 0))
    assert {type(value) for each in left for value in each} == {int}
    assert left_after(config_of(deadline_slots=0), state, told, decided) is None
    most = dataclasses.replace(decided, own_batches=2, sends=(Send("n01", "", 8),))
    with pytest.raises(
        AssertionError, match=r"^node n00: node 0: 2 batches at home and 8 elsewhere asked for"
    ):
        left_after(config, state, told, most)


def test_without_deferral_there_is_no_room_to_carry(kit: Any) -> None:
    config = config_of(deadline_slots=0)
    state = NodeState(kit.profile(0), "boot", "")
    assert offload_room(config, state, Telemetry("n00", "boot", 1, 0, 0, (0,), (3,))) is None


@pytest.mark.parametrize(
    ("counts", "missed"),
    [
        ({"due": 6, "counted": 6, "away": 2, "sent": 2}, 0),
        ({"due": 6, "counted": 4, "away": 0, "sent": 2}, 2),  # taken, and not run
        ({"due": 6, "counted": 4, "away": 0, "sent": 0}, 2),  # never left, and not run at home
        (
            {"due": 6, "counted": 3, "away": 2, "sent": 0},
            3,
        ),  # the receipt was lost: two ran elsewhere all the same
        ({"due": 6, "counted": 3, "away": 1, "sent": 3}, 1 + 2),
        ({"due": 0, "counted": 3, "away": 1, "sent": 3}, 2),  # not due, but in no backlog any more
        ({"due": 0, "counted": 5, "away": 0, "sent": 0}, 0),
    ],
)
def test_missed_batches_by_hand(counts: dict[str, int], missed: int) -> None:
    assert count_missed(**counts) == missed


def test_batches_missed_by_a_node_are_those_of_its_own_figures(kit: Any) -> None:
    """Five due of n00: four counted, of which one ran elsewhere; three were sent, two more came in."""
    moved = (
        Moved("n01", True, 2, 20),
        Moved("n02", True, 1, 10),
        Moved("n02", False, 2, 20),
    )
    usage = Usage("n00", "boot", 1, 9, 4, (), 0, (), moved, 0)
    told = {node: Telemetry(node, "boot", 1, 4, 0, (0,), (due, 9)) for node, due in (("n00", 5), ("n01", 4))}
    decisions: dict[str, Any] = dict.fromkeys(("n00", "n01", "n02"), SimpleNamespace(recalled=()))
    plan = SlotPlan(9, 4, (), (), "rule", None, 0.0)

    def slot(stage: Stage, selected: frozenset[str] | None) -> SlotState:
        made = SlotState(4, stage, plan, decisions, (), selected, told, {})
        made.usage, made.counted, made.away = {"n00": usage}, {"n00": 4}, {"n00": 1}
        return made

    def missed(made: SlotState) -> list[int]:
        return [missed_batches(made, node) for node in decisions]

    # n00: three at home and three that left are more than five; two of those that left count nowhere.
    # n01 did nothing; n02 disclosed nothing.
    whole = [2, 4, 0]
    assert missed(slot(Stage.DEVELOPMENT, None)) == whole
    assert missed(slot(Stage.DEVELOPMENT, frozenset({"n01"}))) == [0, 4, 0]
    assert missed(slot(Stage.DEVELOPMENT, frozenset({"n00"}))) == [2, 0, 0]
    assert missed(slot(Stage.APPLICATION, frozenset({"n01"}))) == whole, "selection is of training alone"


def config_of(deadline_slots: int, cap: float = 0.5, slots: int = 3) -> Any:
    """What this file reads of a configuration: slots of one stage."""
    limits = LimitsConfig(deadline_slots=deadline_slots, offload_cap_fraction=cap)
    return SimpleNamespace(limits=limits, stages=(Stage.DEVELOPMENT,) * slots, request_deadline_slots=None)


def test_rooms_of_several_nodes_are_those_of_each(kit: Any) -> None:
    """By node: what is carried bounds the older classes, the newest has its own share."""
    config = config_of(deadline_slots=2, cap=0.4)
    backlog = np.array([[3, 4, 6], [9, 1, 5], [0, 0, 0]])
    fresh = offload_rooms(config, 0, backlog, None)
    assert (fresh.tolist(), fresh.dtype) == ([[1, 1, 2], [3, 0, 2], [0, 0, 0]], np.int64)
    carried = Backlog(
        np.array([[3, 1, 0], [9, 1, 0], [5, 5, 0]]), np.array([[2, 5, 0], [1, 0, 0], [4, 4, 0]])
    )
    assert offload_rooms(config, 0, backlog, carried).tolist() == [[2, 4, 2], [1, 0, 2], [0, 0, 0]]
    # One slot before the last: new work joins the second class. Of node 0's four there three are new: 1.2 of them.
    assert offload_rooms(config, 1, backlog, carried).tolist() == [[2, 4, 2], [1, 0, 2], [0, 0, 0]]
    tight = Backlog(carried.batches, np.array([[2, 1, 0], [1, 0, 0], [4, 4, 0]]))
    assert offload_rooms(config, 1, backlog, tight).tolist() == [[2, 1 + 1, 2], [1, 0, 2], [0, 0, 0]]
    # In the last slot all new work is due at once, in the first class.
    late = Backlog(np.array([[0, 4, 0], [2, 1, 0], [5, 5, 0]]), np.array([[0, 1, 0], [1, 0, 0], [4, 4, 0]]))
    assert offload_rooms(config, 2, backlog, late).tolist() == [[1, 1, 2], [1 + 2, 0, 2], [0, 0, 0]]
    # A product that falls short of a whole batch by rounding alone is one.
    assert offload_rooms(config_of(2, 0.29), 0, np.array([[100, 0, 0]]), None)[0, 0] == 29


@given(
    slots=st.lists(
        st.tuples(st.integers(0, 12), st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([0.0, 0.2, 1.0])),
        min_size=2,
        max_size=7,
    ),
    patience=st.integers(1, 3),
    cap=st.sampled_from([0.3, 0.5, 1.0]),
)
@example(slots=[(6, 0.0, 0.0), (6, 1.0, 0.0), (6, 1.0, 0.0), (6, 1.0, 0.0)], patience=2, cap=0.3)
def test_no_more_leaves_over_a_run_than_its_releases_allow(
    slots: list[tuple[int, float, float]], patience: int, cap: float
) -> None:
    """Nodes run their most urgent batches, whoever executes them; (D5) keeps some of these at home. To the run's end,
    where new work is due with older work, no release sends more than its share, and what must stay of it has run at
    home by its deadline. Slots are (released, share of what may leave that does, share of what need not run at home
    that does)."""
    config = config_of(patience, cap, len(slots))
    node = BacklogColumns([Stage.DEVELOPMENT] * len(slots), patience, np.array([[n for n, _, _ in slots]]))
    carried, left, stayed = None, 0, 0
    for slot, (_, leaves, runs) in enumerate(slots):
        node.release(slot)
        backlog = as_planned(config, slot, node.counts(), carried)
        rooms = offload_rooms(config, slot, backlog, carried)
        away = int(leaves * rooms.sum())
        _, leaving = Backlog(backlog, rooms).take(np.array([0]), np.array([away]))
        due = int((backlog - leaving)[0, 0])
        home = due + int(runs * (backlog.sum() - away - due))
        carried, missed = Backlog(backlog, rooms).advance(np.array([home]), np.array([away]))
        assert (missed.tolist(), node.run(np.array([home + away])).tolist()) == ([0], [0])
        left, stayed = left + away, stayed + home
        due_by_now = slots if slot == len(slots) - 1 else slots[: max(0, slot - patience + 1)]
        assert stayed >= sum(n - int(cap * n + 1e-9) for n, _, _ in due_by_now)
    assert left <= sum(int(cap * released + 1e-9) for released, _, _ in slots)
