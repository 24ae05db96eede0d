"""What one document says is said or implied by another: settlements and bookings, decisions and configuration. Pure.

With ``summaries`` it is why a derived field cannot be changed alone, hashes computed again or not. Fields that are raw
(coordinator.ledger.raw) are protected by the anchor only.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from carbon_data.types import Provenance
from coordinator.ledger.checks.facts import Facts
from coordinator.ledger.checks.item import Add, Item
from protos.messages.terms import HOLDERS, Component


class Agreement:
    def __init__(self, add: Add, facts: Facts) -> None:
        self._add, self._facts = add, facts
        self._config: Mapping[str, Any] = {}
        self._boots: dict[str, set[str]] = defaultdict(set)
        self._usage_keys: dict[tuple[int, str], str] = {}
        self._settlements: dict[tuple[int, str], Mapping[str, Any]] = {}
        self._trades: dict[int, list[Mapping[str, Any]]] = {}

    def take_start(self, item: Item) -> None:
        """The first start holds the configuration."""
        if "config" in item.body:
            self._config = item.body["config"]

    def take_registration(self, item: Item) -> None:
        node = item.body["node_id"]
        if node != item.node or node not in self._config["node_ids"]:
            self._add("agreement", item.where, f"registers {node}, which is not {item.node} of this run")
        if item.key != f"registration/{item.node}/{item.body['boot_id']}":
            self._add("keys", item.where, "the key is not that of the registration")
        self._boots[item.node].add(item.body["boot_id"])

    # --- messages ------------------------------------------------------------------------------------------

    def take_telemetry(self, item: Item) -> None:
        self._message(item)
        if item.body["battery_uj"] != item.before:
            self._add(
                "battery", item.where, f"tells of {item.body['battery_uj']} uJ, the books hold {item.before}"
            )

    def take_usage(self, item: Item) -> None:
        self._message(item)
        self._usage_keys[item.slot, item.node] = item.key

    def take_settlement(self, item: Item) -> None:
        self._message(item)
        self._settlements[item.slot, item.node] = item.body
        decided = self._facts.decided(item.slot, item.node)
        if decided is not None and item.body["epoch"] != decided["epoch"]:
            self._add("epoch", item.where, f"settled in epoch {item.body['epoch']}, decided in another")

    def _message(self, item: Item) -> None:
        said = (item.body["slot"], item.body["node_id"])
        if said != (item.slot, item.node):
            self._add("agreement", item.where, f"is entered for slot {item.slot} of {item.node}, says {said}")
        if item.body["boot_id"] not in self._boots[item.node]:
            self._add("agreement", item.where, f"comes from a start of {item.node} that never registered")

    # --- decisions -----------------------------------------------------------------------------------------

    def take_decision(self, item: Item) -> None:
        slot, body, plan = item.slot, item.body, item.body["plan"]
        stages = self._config["stages"]
        if slot >= len(stages) or body["stage"] != stages[slot]:
            self._add(
                "agreement", item.where, f"decides slot {slot} in stage {body['stage']}, not as configured"
            )
        if plan["slot"] != slot:
            self._add("agreement", item.where, f"its plan is of slot {plan['slot']}")
        for told in plan["decisions"]:
            if (told["slot"], told["stage"], told["epoch"]) != (slot, body["stage"], plan["epoch"]):
                self._add("agreement", item.where, f"{told['node_id']} is told another slot, stage or epoch")
        named = [told["node_id"] for told in plan["decisions"]]
        if sorted(body["node_ids"]) != sorted(named) or set(named) - set(self._config["node_ids"]):
            self._add("agreement", item.where, f"is for {body['node_ids']}, tells {named}")
        if any(boot not in self._boots[node] for node, boot in body.get("boots", {}).items()):
            self._add("agreement", item.where, "is for a start of a node that never registered")
        self._guests(item)
        self._exports(item)

    def _guests(self, item: Item) -> None:
        """What owners send is what executors expect."""
        decisions = item.body["plan"]["decisions"]
        sent = Counter(
            (told["node_id"], send["executor"], send["batches"], *_handed(send))
            for told in decisions
            for send in told["sends"]
        )
        expected = Counter(
            (guest["owner"], told["node_id"], guest["batches"], *_handed(guest))
            for told in decisions
            for guest in told["guests"]
        )
        if sent != expected:
            self._add("agreement", item.where, f"owners send {dict(sent)}, executors expect {dict(expected)}")

    def _exports(self, item: Item) -> None:
        exported: Counter[str] = Counter()
        for donor, _, amount_uj in item.body["transfers"]:
            exported[donor] += amount_uj
        told = {one["node_id"]: one["export_uj"] for one in item.body["plan"]["decisions"]}
        if any(told.get(node, 0) != exported[node] for node in {*told, *exported}):
            self._add("agreement", item.where, f"transfers export {dict(exported)} uJ, nodes are told {told}")

    # --- trade and gaps ------------------------------------------------------------------------------------

    def take_trade(self, item: Item) -> None:
        self._trades[item.slot] = item.body["transfers"]

    def take_gap(self, item: Item) -> None:
        if item.body["provenance"] != Provenance.MISSING:
            self._add("agreement", item.where, f"a gap is {item.body['provenance']}, allowed is missing")

    def take_adjustment(self, item: Item) -> None:
        if item.key != f"adjustment/{item.node}/{item.body['cause']}":
            self._add("keys", item.where, "the key is not that of the adjustment's cause")

    # --- bookings ------------------------------------------------------------------------------------------

    def take_booking(self, item: Item) -> None:
        at, body = (item.slot, item.node), item.body
        usage = self._facts.usage[at]
        if body["executed"] != [[ran["owner"], ran["batches"]] for ran in usage["executed"]]:
            self._add("agreement", item.where, "the batches that it names are not those of the reading")
        if body["model_bytes"] != usage["model_bytes"]:
            self._add("agreement", item.where, "books other model bytes than the reading has")
        if body["reading"] != self._usage_keys[at]:
            self._add("agreement", item.where, f"its reading is {self._usage_keys[at]}")
        traded = [t for t in self._trades.get(item.slot, ()) if item.node in (t["donor"], t["recipient"])]
        if (
            body["transfers"] != []
            if body["late"]
            else body["transfers"] != [t for t in traded if t["sent_uj"]]
        ):
            self._add("agreement", item.where, "its transfers are not those of the slot's trade")
        settlement = None if body["late"] else self._settlements.get(at)
        if body["estimated"] != (settlement is None):
            self._add("agreement", item.where, "estimated exactly where no settlement came")
        elif (
            settlement is not None and {term: settlement[term] for term in body["balance"]} != body["balance"]
        ):
            self._add("agreement", item.where, "its balance is not the one that the node settled")
        self._provenance(item, usage)

    def _provenance(self, item: Item, usage: Mapping[str, Any]) -> None:
        """Of a node's own lines as the reading has it; everything beside them is modelled."""
        read: dict[tuple[str, str], set[str]] = defaultdict(set)
        for line in usage["lines"]:
            read[line["stage"], line["component"]].add(line["provenance"])
        for line in item.body["lines"]:
            # Waste is the reading's own, or a share of its computation.
            waste = line["component"] == Component.WASTE
            parts = (Component.WASTE, Component.COMPUTE) if waste else (line["component"],)
            of_reading = {each for part in parts for each in read[line["stage"], part]}
            allowed = {str(Provenance.MODELLED)} if line["node_id"] in HOLDERS else of_reading
            if line["provenance"] not in allowed:
                said = f"{line['stage']}/{line['component']} is {line['provenance']}"
                self._add("agreement", item.where, f"{said}, allowed is {sorted(allowed)}")
        owners = Counter(line["users"] for line in item.body["lines"] if "users" in line)
        if set(owners) - {traffic["owner"] for traffic in usage.get("users", ())}:
            self._add(
                "agreement", item.where, f"has lines for users of {sorted(owners)}, the reading for others"
            )

    def take_slot_end(self, item: Item) -> None:
        self._parcels(item)
        for line in item.body["lines"]:
            if line["provenance"] != Provenance.MODELLED:
                self._add(
                    "agreement",
                    item.where,
                    f"{line['component']} is {line['provenance']}, allowed is modelled",
                )

    def _parcels(self, item: Item) -> None:
        """Each pair's once: as the sender counted, or the receiver where the sender is silent."""
        pairs: dict[tuple[str, str], tuple[int, int]] = {}
        for by_sender in (True, False):
            for (slot, node), usage in self._facts.usage.items():
                for moved in usage["moved"] if slot == item.slot else ():
                    ends = (node, moved["peer"]) if moved["sent"] else (moved["peer"], node)
                    if moved["sent"] == by_sender:
                        pairs.setdefault(ends, (moved["batches"], moved["payload_bytes"]))
        said = {
            (one["owner"], one["executor"]): (one["batches"], one["payload_bytes"])
            for one in item.body["parcels"]
        }
        if said != pairs:
            self._add("agreement", item.where, f"names parcels {said}, the readings make them {pairs}")


def _handed(told: Mapping[str, Any]) -> tuple[int, ...]:
    """Batches that are handed over, where there are any."""
    return (told["handed"],) if told.get("handed") else ()
