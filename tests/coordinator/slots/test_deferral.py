"""Work that may wait: how much (D5) lets run elsewhere, what a decision leaves, what was missed, (D4). Pure."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from coordinator.config import LimitsConfig
from coordinator.policies.local import Local
from coordinator.policies.registry import make_policy
from coordinator.slots.deferral import offload_room
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
    books.nodes["n00"].carried_room = (1, 0)
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
    late = dataclasses.replace(telemetry, slot=1, backlog_batches=(3, 11, 0))
    assert offload_room(books.config, books.nodes["n00"], late) == (2, 1 + 3, 0)
    # A class never has more room than batches, nor does work that ran keep its room.
    less = dataclasses.replace(telemetry, slot=1, backlog_batches=(1, 5, 0))
    assert offload_room(books.config, books.nodes["n00"], less) == (1, 1, 0)
    # In the stage's last slot all new work is due at once.
    state.carried_room, state.carried_batches = (1, 0, 0), (2, 0, 0)
    last = dataclasses.replace(telemetry, slot=2, backlog_batches=(8, 0, 0))
    assert offload_room(books.config, books.nodes["n00"], last) == (1 + 3, 0, 0)
    bench.close()


@pytest.mark.parametrize(
    ("stage", "slot", "room"),
    [
        (Stage.APPLICATION, 0, (2, 1 + 3, 3)),  # new requests are due one slot later, with older ones
        (Stage.DEVELOPMENT, 0, (2, 1, 3)),  # training has two slots: new work has a class of its own
        (Stage.DEVELOPMENT, 1, (2, 1 + 3, 3)),  # one slot of the run is left
        (Stage.APPLICATION, 2, (2 + 2, 1, 3)),  # none is
    ],
)
def test_requests_wait_no_longer_than_their_latency_target_and_nothing_beyond_the_run(
    tmp_path: Path, kit: Any, stage: Stage, slot: int, room: tuple[int, ...]
) -> None:
    """Of (8, 11, 6) batches (4, 5, 0) had waited, with room for (2, 1, 0): of 4, 6 or 6 new ones half may leave."""
    limits = LimitsConfig(deadline_slots=2, offload_cap_fraction=0.5)
    config = kit.make_config(tmp_path, nodes=2, stages=(stage,) * 3, limits=limits, request_deadline_slots=1)
    bench = kit.Bench(config, make_policy("local"))
    bench.join()
    books = bench.coordinator.service.books
    state = books.nodes["n00"]
    state.carried_room, state.carried_batches = (2, 1, 0), (4, 5, 0)
    told = dataclasses.replace(books.waiting["n00"], slot=slot, backlog_batches=(8, 11, 6))
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
