"""What really happened in a simulated run, and the promises of docs/reliability.md held against it, at every
step and at the end."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from coordinator.ledger.checks.every import Checks
from coordinator.ledger.checks.item import Item
from coordinator.ledger.entry import Entry
from protos.messages.slot import Decision, Settlement, Usage
from protos.messages.stream import UpMessage
from tests.reliability.simulation.faults import HEALED_FRACTION

if TYPE_CHECKING:
    from tests.reliability.simulation.processes import Node
    from tests.reliability.simulation.world import World

ANSWERED_S = 10.0
"""A call of the runner is answered within this once the faults are over: a lease, and time to spare. How long the
runner is away, and its packets are lost, is not the coordinator's doing."""
CALLS_A_SLOT = 10
"""Of more calls one has ended a slot."""
DRAINED_S = 12.0
"""So long after a slot's end every reading that a node kept is booked, unless something failed meanwhile."""

SILENT_S = 7.0
"""A node that was not heard for so long is not decided with, where coordinator and disk are not slow: a lease
(6 s), and the time of the decision and its commit."""


class Truth:
    """Readings as nodes kept them, work as they ran it, entries as they became durable."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._checks = Checks(self._finding)
        self._keys: set[str] = set()
        self.readings: dict[tuple[str, int], Usage] = {}
        """Durable at a node: what was metered in a slot."""
        self._runs: Counter[tuple[str, int]] = Counter()
        self._usage: dict[tuple[str, int], dict[str, Any]] = {}
        self._booked: dict[tuple[str, int], dict[str, Any]] = {}
        self._settled: set[tuple[str, int]] = set()
        self._decided: dict[int, dict[str, Any]] = {}
        self._ended: dict[int, float] = {}
        self._balances: Counter[tuple[str, str]] = Counter()
        self._epoch = 0
        self.heard_at: dict[str, float] = {}
        """When a message of a node came to the coordinator."""

    def _finding(self, code: str, where: str, text: str) -> None:
        self._world.violated("ledger verify", f"{code}: {where}: {text}")

    # --- nodes -------------------------------------------------------------------------------------------------

    def kept(self, node: Node, message: UpMessage) -> None:
        """A message is durable in a node's outbox."""
        self._world.trace(f"keep {node.name} {type(message).__name__} {message.seq}")
        if isinstance(message, Usage):
            key = (message.node_id, message.slot)
            # Start, epoch and number change where a reading is offered again.
            metered = replace(message, boot_id="", seq=0, epoch=0)
            if self.readings.setdefault(key, metered) != metered:
                self._world.violated(
                    "one reading a slot", f"{key} was metered as {self.readings[key]}, then {metered}"
                )

    def dropped(self, node: Node, message: UpMessage) -> None:
        """A node deleted a message, since the coordinator has acknowledged it."""
        if not isinstance(message, Usage | Settlement):
            return
        key = (message.node_id, message.slot)
        there = (
            key in self._usage if isinstance(message, Usage) else key in self._settled or key in self._booked
        )
        if not there:
            self._world.violated(
                "acknowledged is durable",
                f"{type(message).__name__} of {key} was acknowledged and is not in the ledger",
            )

    def executed(self, node: Node, slot: int) -> None:
        """A node ran its slot's work."""
        self._world.trace(f"run {node.name} {slot}")
        state = node.node._state.find(slot)
        assert state is not None
        assert state.decision is not None
        told, key = state.decision, (node.name, slot)
        self._runs[key] += 1
        if self._runs[key] > 1:
            self._world.violated("no stale plan", f"{node.name} ran slot {slot} twice")
        rows = dict(node.outbox._db.execute("SELECT name, value FROM state WHERE name IN ('epoch', 'slot')"))
        if (rows.get("epoch", -1), rows.get("slot", -1)) < (told.epoch, slot):
            self._world.violated(
                "no stale plan", f"{node.name} ran {(told.epoch, slot)} above its durable fence {rows}"
            )
        plan = self._decided.get(slot)
        if plan is None:
            self._world.violated(
                "no stale plan", f"{node.name} ran slot {slot}, whose decision is not durable"
            )
        elif not _is_planned(told, plan["decisions"].get(node.name)):
            self._world.violated(
                "no stale plan", f"{node.name} ran another plan of slot {slot} than the durable one"
            )
        elif plan["boots"].get(node.name, node.attendance._boot_id) != node.attendance._boot_id:
            self._world.violated(
                "no stale plan", f"{node.name} ran slot {slot}, decided for an earlier start of it"
            )

    # --- the ledger ----------------------------------------------------------------------------------------------

    def committed(self, entries: list[Entry]) -> None:
        """Entries became durable."""
        for entry in entries:
            self._world.trace(f"commit {entry.key}", entry.text.encode())
            if entry.key in self._keys:
                self._world.violated("counted once", f"{entry.key} is in the ledger twice")
            self._keys.add(entry.key)
            self._sums(entry)
            body = json.loads(entry.text)
            before = self._checks.battery_uj(entry.node_id)
            item = Item(
                entry.kind, entry.key, entry.slot, entry.node_id, body, entry.postings, entry.key, before
            )
            try:
                self._checks.take(item)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                self._world.violated("ledger verify", f"{entry.key}: {type(error).__name__} {error}")
            taken = getattr(self, f"_on_{entry.kind.value}", None)
            if taken is not None:
                taken(entry, body)

    def _sums(self, entry: Entry) -> None:
        totals: Counter[str] = Counter()
        for posting in entry.postings:
            totals[posting.unit] += posting.amount
            self._balances[posting.account, posting.unit] += posting.amount
        if any(totals.values()):
            self._world.violated("sums to zero", f"{entry.key}: {dict(totals)}")

    def _on_start(self, entry: Entry, body: dict[str, Any]) -> None:
        if body["epoch"] <= self._epoch:
            self._world.violated("epochs rise", f"epoch {body['epoch']} after {self._epoch}")
        self._epoch = body["epoch"]

    def _on_decision(self, entry: Entry, body: dict[str, Any]) -> None:
        assert entry.slot is not None
        if entry.slot in self._decided:
            self._world.violated("counted once", f"slot {entry.slot} was decided twice")
        decisions = {each["node_id"]: each for each in body["plan"]["decisions"]}
        coordinator = self._world.coordinator
        boots: dict[str, str] = {}
        if coordinator is not None and (slot := coordinator.service.books.slots.get(entry.slot)) is not None:
            boots = dict(slot.boots)
        if body["plan"]["epoch"] != self._epoch:
            self._world.violated(
                "no stale plan",
                f"slot {entry.slot} was decided in epoch {body['plan']['epoch']} of {self._epoch}",
            )
        live = () if coordinator is None else coordinator.service.sessions.live()
        self._leases(entry.slot, dict.fromkeys((*decisions, *live)))
        self._decided[entry.slot] = {"decisions": decisions, "boots": boots}

    def _leases(self, slot: int, trusted: Iterable[str]) -> None:
        """``trusted``: nodes that a slot was decided with, or that count as live."""
        world = self._world
        if any(
            fault.kind == "disk_stall" or (fault.kind == "slow" and fault.who == "coordinator")
            for fault in world.around.faults
        ):
            return
        for name in trusted:
            silent_s = world.loop.time() - max(self.heard_at.get(name, 0.0), world.coordinator_since)
            if silent_s > SILENT_S:
                world.violated(
                    "leases end",
                    f"slot {slot} was decided, and {name} counted as live after {silent_s:.1f} s",
                )

    def _on_usage(self, entry: Entry, body: dict[str, Any]) -> None:
        key = (body["node_id"], body["slot"])
        if key in self._usage:
            self._world.violated("counted once", f"usage of {key} is in the ledger twice")
        self._usage[key] = body
        if key not in self.readings:
            self._world.violated("only what was metered", f"usage of {key} that the node had not kept")

    def _on_settlement(self, entry: Entry, body: dict[str, Any]) -> None:
        self._settled.add((body["node_id"], body["slot"]))

    def _on_booking(self, entry: Entry, body: dict[str, Any]) -> None:
        assert entry.slot is not None
        key = (entry.node_id, entry.slot)
        if key in self._booked:
            self._world.violated("counted once", f"{key} was booked twice")
        self._booked[key] = body
        metered = self.readings.get(key)
        demand = body["balance"]["demand_uj"]
        if metered is None or demand != _energy_uj(metered):
            self._world.violated("every joule once", f"{key}: {demand} uJ booked, metered was {metered}")

    def _on_slot_end(self, entry: Entry, body: dict[str, Any]) -> None:
        assert entry.slot is not None
        self._ended[entry.slot] = self._world.loop.time()
        ran = sum(
            executed["batches"]
            for (_, slot), usage in self._usage.items()
            if slot == entry.slot
            for executed in usage["executed"]
        )
        decided = sum(
            each["own_batches"] + sum(send["batches"] for send in each["sends"])
            for each in self._decided[entry.slot]["decisions"].values()
        )
        if (counted := body["summary"]["executed_batches"]) > min(ran, decided):
            self._world.violated(
                "every batch once", f"slot {entry.slot}: {counted} count, {ran} were run, {decided} decided"
            )

    def _on_alarm(self, entry: Entry, body: dict[str, Any]) -> None:
        self._world.violated("no alarm between honest parties", f"{entry.key}: {body}")

    # --- the end -------------------------------------------------------------------------------------------------

    def at_the_end(self) -> None:
        world = self._world
        now, healed = world.loop.time(), HEALED_FRACTION * world.seconds
        self._checks.finish()
        for key, metered in self.readings.items():
            ended = self._ended.get(key[1])
            if ended is None or max(ended, healed) + DRAINED_S > now:
                continue
            if key not in self._booked:
                world.violated(
                    "every joule once", f"{key}: {_energy_uj(metered)} uJ were metered and never booked"
                )
        waits = [
            (max(begun, healed), end)
            for begun, end in (*world.waits, (now if world.asked_at is None else world.asked_at, now))
            if end > healed
        ]
        if (longest := max((end - begun for begun, end in waits), default=0.0)) >= ANSWERED_S:
            world.violated("progress", f"a call of the runner waited {longest:.1f} s after the faults")
        if len(waits) > CALLS_A_SLOT and not any(at > healed for at in world.runner.ended_at):
            world.violated(
                "progress", f"{len(waits)} calls of the runner after the faults, and no slot ended"
            )
        for name, node in world.nodes.items():
            if node.lease.failure:
                world.violated("progress", f"{name} was cut off: {node.lease.failure}")
        if world.coordinator is not None and not world.coordinator.durability._is_writing:
            booked = {
                key: amount for key, amount in world.coordinator.service.books.balances.items() if amount
            }
            durable = {key: amount for key, amount in self._balances.items() if amount}
            if booked != durable:
                world.violated(
                    "memory is not ahead of the file", f"{booked} in memory, {durable} in the file"
                )


def _is_planned(told: Decision, document: dict[str, Any] | None) -> bool:
    """Whether a decision is the ledger's, as far as the ledger keeps it (coordinator/slots/documents.py)."""
    body = json.loads(json.dumps(asdict(told)))
    for each in (*body["sends"], *body["guests"]):
        if not each["handed"]:
            del each["handed"]
    return document is not None and {name: body[name] for name in document} == document


def _energy_uj(usage: Usage) -> int:
    return sum(line.energy_uj for line in usage.lines)
