"""Fault 1 at a node's own entries: a call that fails anywhere changes neither its memory nor its outbox, and asked
again it does what it would have done at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from coordinator.adapters.direct import DirectCoordinator
from coordinator.ledger.verify import verify
from coordinator.policies.registry import make_policy
from edge_node.adapters.sqlite_outbox import SqliteOutbox
from edge_node.build import build_node
from edge_node.slots.link import LocalLink
from protos.messages.runner import BeginSlot, EndSlot
from protos.messages.slot import CloseSlot, EnergyGrant
from protos.messages.stream import DownMessage, Refusal
from tests.coordinator.slots.trader import Trader
from tests.reliability.simulation.fleet import coordinator_config, node_config
from tests.reliability.walked_node import ENTRIES, WalkedNode

NODES = ("n00", "n01", "n02")


class Fleet:
    """Three nodes and their coordinator, in one process. ``lost``: what does not come through."""

    def __init__(self, folder: Path, policy: str, steps: dict[tuple[str, str], int] | None) -> None:
        folder.mkdir()
        config = coordinator_config(NODES).model_copy(
            update={"ledger_path": folder / "ledger.sqlite", "policy": policy}
        )
        chosen: Any = Trader() if policy == "trader" else make_policy(policy)
        self.lost: set[tuple[str, type]] = set()
        self.links: dict[str, LocalLink] = {}
        calls: dict[tuple[str, str], int] = {}
        for index, name in enumerate(NODES):
            outbox = SqliteOutbox(folder / f"{name}.sqlite")
            LocalLink(build_node(node_config(NODES, index), outbox), self.links, f"{name}-boot")
            if steps is not None:
                WalkedNode(self.links[name].node, steps, calls)
        self.coordinator = DirectCoordinator(config, chosen, self.deliver, lambda: 0.0)

    def deliver(self, name: str, message: DownMessage) -> None:
        if (name, type(message)) not in self.lost:
            for answer in self.links[name].receive(message):
                self.coordinator.receive(name, answer)

    def tick(self, name: str) -> None:
        for message in self.links[name].tick():
            self.coordinator.receive(name, message)

    def slot(self, number: int) -> None:
        stage = self.coordinator.service.config.stages[number]
        plan = self.coordinator.begin_slot(BeginSlot(number, stage, 1.0))
        for decision in plan.decisions:
            node = self.links[decision.node_id].node
            node.give_up_missing(number)
            if node.readiness(number).ready and decision.awake and number % 2 == 0:
                node.execute({})
        self.coordinator.end_slot(EndSlot(number, 1.0))

    def run(self) -> Any:
        """A slot in time, one whose end a node hears late, one whose parcels do not arrive, one whose trade a node does
        not hear, and whose reading is refused."""
        for name in NODES:
            self.coordinator.receive(name, self.links[name].register())
        self.slot(0)
        self.lost = {("n01", CloseSlot)}
        self.slot(1)
        self.lost = set()
        self.coordinator.receive("n01", self.links["n01"].register())
        self.tick("n01")
        self.tick("n01")
        for link in self.links.values():
            link._links = {}
        self.slot(2)
        for link in self.links.values():
            link._links = self.links
        self.lost = {("n02", EnergyGrant)}
        self.slot(3)
        self.lost = set()
        self.links["n02"].receive(Refusal("no_usage", "refused"))
        for name in NODES:
            self.tick(name)
        self.slot(4)
        if not self.coordinator.service.policy.negotiates:
            self.links["n00"].node.telemetry()
        return self.coordinator.ledger.head


@pytest.mark.parametrize("policy", ["trader", "belief"])
def test_no_entry_of_a_node_that_fails_anywhere_changes_memory_or_outbox(tmp_path: Path, policy: str) -> None:
    steps: dict[tuple[str, str], int] = {}
    failing = Fleet(tmp_path / "failing", policy, steps)
    undisturbed = Fleet(tmp_path / "undisturbed", policy, None)
    assert failing.run() == undisturbed.run(), "and the books are what they would be without failures"
    for fleet in (failing, undisturbed):
        fleet.coordinator.close()
    assert verify(tmp_path / "failing" / "ledger.sqlite").ok
    walked = {name for name, _ in steps}
    print(f"{sum(steps.values())} failed steps of a node's entries, none changed anything: {steps}")
    assert walked == set(ENTRIES) - ({"on_market"} if policy == "trader" else {"telemetry"})
