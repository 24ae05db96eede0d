"""A node that is paused and started again on the outbox of before never executes a stale plan."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from edge_node.adapters.sqlite_outbox import SqliteOutbox
from edge_node.meters.registry import build_meter
from edge_node.slots.errors import InvalidDecision, StaleDecision
from edge_node.slots.node import EdgeNode
from protos.messages.slot import CloseSlot, Decision
from protos.messages.stream import Welcome
from protos.messages.terms import Stage
from tests.edge_node.conftest import LinearWorkload, node_config

SLOTS = 40
"""Of one outbox; then comes another."""


def plan(epoch: int, slot: int) -> Decision:
    return Decision("n0", epoch, slot, Stage.DEVELOPMENT, True, 1, (), (), 0, 0, 0, 60.0)


class Node:
    """A node on its outbox, which is all that a restart keeps."""

    def __init__(self, path: Path) -> None:
        self._path, self._boots = path, 0
        self.restart(1, 0)

    def restart(self, epoch: int, slot: int) -> None:
        if self._boots:
            self.outbox.close()
        self._boots += 1
        self.outbox = SqliteOutbox(self._path)
        config = node_config(0, stages=(Stage.DEVELOPMENT,) * SLOTS)
        meter = build_meter(config.meter, config.board, config.slot_s)
        self.node = EdgeNode(config, {Stage.DEVELOPMENT: LinearWorkload(0)}, meter, self.outbox)
        self.node.register(f"boot{self._boots}")
        self.node.on_welcome(Welcome("run", epoch, 1.0, 5.0, slot))

    def takes(self, decision: Decision) -> bool:
        try:
            self.node.on_decision(decision)
        except (InvalidDecision, StaleDecision):
            return False
        return True


@pytest.mark.parametrize(
    "cases", [pytest.param(150, id="some"), pytest.param(10_000, id="many", marks=pytest.mark.long)]
)
def test_no_stale_plan_is_accepted(tmp_path: Path, cases: int) -> None:
    """A pause lets plans of many slots arrive late; a restart forgets all but the outbox; a coordinator that was
    restarted plans under a newer epoch. What was accepted only ever goes up."""
    chance, stale, accepted, done = random.Random(6), 0, 0, 0
    while done < cases:
        node, fence = Node(tmp_path / f"{done}.sqlite"), (0, -1)
        epoch, slot, sent = 1, 0, [plan(1, 0)]
        while slot < SLOTS - 1 and done < cases:
            done += 1
            step = chance.random()
            if step < 0.4:  # the slot goes on: paused nodes find several plans when they wake up
                node.node.close(CloseSlot(epoch, slot)) if fence == (epoch, slot) else None
                slot += 1
                sent.append(plan(epoch, slot))
                node.restart(epoch, slot)
            elif step < 0.6:
                epoch += 1
                sent.append(plan(epoch, slot))
                node.restart(epoch, slot)
            else:
                node.restart(epoch, slot)
            for decision in chance.sample(sent, min(3, len(sent))):
                key = (decision.epoch, decision.slot)
                if node.takes(decision):
                    accepted += 1
                    stale += key <= fence or key[1] != slot
                    fence = max(fence, key)
                assert node.outbox.fence in (None, fence)
    print(f"{cases} pauses and restarts, {accepted} plans accepted, {stale} of them stale")
    assert accepted > cases // 20
    assert stale == 0
