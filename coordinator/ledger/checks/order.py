"""Order and uniqueness of epochs, slots, messages and bookings; every node slot is booked or a gap."""

from __future__ import annotations

from coordinator.ledger.checks.facts import Facts
from coordinator.ledger.checks.item import Add, Item


class Order:
    """Looks at every entry before the facts take it up."""

    def __init__(self, add: Add, facts: Facts) -> None:
        self._add, self._facts = add, facts
        self._epoch = 0

    def take_start(self, item: Item) -> None:
        if item.body["epoch"] != self._epoch + 1:
            self._add("epoch", item.where, f"epoch {item.body['epoch']} follows {self._epoch}")
        self._epoch = item.body["epoch"]

    def take_decision(self, item: Item) -> None:
        slots = len(self._facts.decisions)
        if item.slot != slots:
            self._add("order", item.where, f"slot {item.slot} is decided after {slots} slots")
        if item.slot > 0 and item.slot - 1 not in self._facts.ended:
            self._add("order", item.where, f"slot {item.slot} is decided before slot {item.slot - 1} ended")
        epoch = item.body["plan"]["epoch"]
        if epoch != self._epoch:
            self._add("epoch", item.where, f"decided in epoch {epoch}, it was {self._epoch}")

    def take_telemetry(self, item: Item) -> None:
        self._key_of_message(item)

    def take_usage(self, item: Item) -> None:
        self._key_of_message(item)
        slot, node, decided = item.slot, item.node, self._facts.decided(item.slot, item.node)
        if decided is None:
            self._add(
                "order", item.where, f"usage of {node} for slot {slot} without a durable decision before it"
            )
        elif decided["epoch"] != item.body["epoch"]:
            said = item.body["epoch"]
            self._add("epoch", item.where, f"usage says epoch {said}, decided was {decided['epoch']}")
        if (slot, node) in self._facts.usage:
            self._add("keys", item.where, f"a second usage of {node} for slot {slot}")

    def take_settlement(self, item: Item) -> None:
        self._key_of_message(item)
        if (item.slot, item.node) not in self._facts.usage:
            self._add(
                "order", item.where, f"settlement of {item.node} for slot {item.slot} without its usage"
            )

    def _key_of_message(self, item: Item) -> None:
        if item.key != f"message/{item.body['node_id']}/{item.body['boot_id']}/{item.body['seq']}":
            self._add("keys", item.where, "the key is not that of the message")

    def take_booking(self, item: Item) -> None:
        if (item.slot, item.node) in self._facts.booked:
            self._add("keys", item.where, f"{item.node} is booked twice for slot {item.slot}")
        if (item.slot, item.node) not in self._facts.usage:
            self._add("order", item.where, f"booked without a usage of {item.node} for slot {item.slot}")

    def take_slot_end(self, item: Item) -> None:
        for told in self._facts.decisions[item.slot]["plan"]["decisions"]:
            at = (item.slot, told["node_id"])
            if (at in self._facts.booked) == (at in self._facts.gaps):
                self._add("gaps", item.where, f"{told['node_id']} has neither or both of a booking and a gap")
