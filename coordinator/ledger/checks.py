"""What the documents of a ledger must say of each other: batteries, transfers, batches, decisions. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from coordinator.ledger.entry import Kind, Posting, Unit
from coordinator.ledger.line_checks import LineChecks
from protos.messages import HOLDERS

Add = Callable[[str, str, str], None]
DELIVERED = ("requests", "tokens_in", "tokens_out", "bits")


@dataclass(frozen=True, slots=True)
class Item:
    """One entry under examination; ``where`` names it for people, ``before`` is what the books held in the
    node's battery before it.
    """

    kind: Kind
    key: str
    slot: Any
    node: str
    body: Mapping[str, Any]
    postings: tuple[Posting, ...]
    where: str
    before: int


class Checks:
    """Takes the entries in order; ``add(code, where, text)`` is called for everything that is wrong.

    ``resolution_pg``: picograms to which the file's version rounded emissions."""

    def __init__(self, add: Add, resolution_pg: int = 1) -> None:
        self._add = add
        self._lines = LineChecks(add, resolution_pg)
        self._balances: dict[tuple[str, str], int] = defaultdict(int)
        self._epoch = 0
        self._decisions: dict[int, Mapping[str, Any]] = {}
        self._usage: dict[tuple[int, str], Mapping[str, Any]] = {}
        self._trades: dict[int, Mapping[str, Any]] = {}
        self._legs: dict[tuple[int, str, str], dict[str, tuple[int, int]]] = defaultdict(dict)
        self._booked: set[tuple[int, str]] = set()
        self._gaps: set[tuple[int, str]] = set()
        self._ended: set[int] = set()
        self._counted: dict[tuple[int, str], int] = defaultdict(int)
        """Batches of an owner that count in a slot."""
        self._counted_of: dict[tuple[int, str], int] = defaultdict(int)
        """Batches that count for an executor in a slot."""
        self._executed: dict[int, int] = defaultdict(int)
        self._emissions: dict[int, int] = defaultdict(int)
        self._counts: dict[str, int] = defaultdict(int)

    def take(self, item: Item) -> None:
        """One entry. Raises KeyError, TypeError or ValueError when its document is not understood."""
        for posting in item.postings:
            self._balances[posting.account, posting.unit] += posting.amount
            if posting.account.endswith("/battery") and self._balances[posting.account, posting.unit] < 0:
                self._add("battery", item.where, f"{posting.account} falls below 0")
        if item.kind is Kind.REGISTRATION:
            self._lines.registration(item.node, item.body)
        handler = getattr(self, f"take_{item.kind.value}", None)
        if handler is not None:
            handler(item)
        elif item.postings:
            self._add("postings", item.where, f"an entry of kind {item.kind} has no postings")

    def battery_uj(self, node: str) -> int:
        """What the books hold after the entries so far."""
        return self._balances[f"node/{node}/battery", Unit.MICROJOULES]

    # --- kinds ---------------------------------------------------------------------------------------------

    def take_start(self, item: Item) -> None:
        if item.body["epoch"] != self._epoch + 1:
            self._add("epoch", item.where, f"epoch {item.body['epoch']} follows {self._epoch}")
        self._epoch = item.body["epoch"]
        self._lines.start(item.body)

    def take_alarm(self, item: Item) -> None:
        self._counts[f"alarm: {item.body['alarm']}"] += 1
        if item.postings:
            self._add("postings", item.where, "an alarm books nothing")

    def take_opening(self, item: Item) -> None:
        self._expect(
            item.where,
            item.postings,
            {f"node/{item.node}/battery": item.body["battery_uj"]},
            f"node/{item.node}/opening",
        )

    def take_adjustment(self, item: Item) -> None:
        self._counts["battery adjustments after a gap"] += 1
        if item.body["booked_uj"] != item.before:
            self._add(
                "battery",
                item.where,
                f"adjusts from {item.body['booked_uj']} uJ, the books held {item.before} uJ",
            )
        change = item.body["reported_uj"] - item.body["booked_uj"]
        self._expect(
            item.where, item.postings, {f"node/{item.node}/battery": change}, f"node/{item.node}/adjustment"
        )

    def _expect(self, where: str, postings: Any, flows: dict[str, int], counter: str) -> None:
        wanted = {**flows, counter: -sum(flows.values())}
        got = {p.account: p.amount for p in postings}
        if {a: v for a, v in got.items() if v} != {a: v for a, v in wanted.items() if v}:
            self._add("postings", where, f"postings {got} are not those of the document {wanted}")

    def take_decision(self, item: Item) -> None:
        if item.slot != len(self._decisions):
            self._add("order", item.where, f"slot {item.slot} is decided after {len(self._decisions)} slots")
        if item.slot > 0 and item.slot - 1 not in self._ended:
            self._add("order", item.where, f"slot {item.slot} is decided before slot {item.slot - 1} ended")
        if item.body["plan"]["epoch"] != self._epoch:
            self._add(
                "epoch", item.where, f"decided in epoch {item.body['plan']['epoch']}, it was {self._epoch}"
            )
        if item.body["plan"]["status"].startswith("fallback"):
            self._counts["slots decided by fallback"] += 1
        self._decisions[item.slot] = item.body

    def _decided(self, slot: int, node: str) -> Mapping[str, Any] | None:
        decision = self._decisions.get(slot)
        if decision is None:
            return None
        return next((d for d in decision["plan"]["decisions"] if d["node_id"] == node), None)

    def take_telemetry(self, item: Item) -> None:
        self._key_of_message(item.key, item.body, item.where)

    def _key_of_message(self, key: str, body: Any, where: str) -> None:
        if key != f"message/{body['node_id']}/{body['boot_id']}/{body['seq']}":
            self._add("keys", where, "the key is not that of the message")

    def take_usage(self, item: Item) -> None:
        self._key_of_message(item.key, item.body, item.where)
        decided = self._decided(item.slot, item.node)
        if decided is None:
            self._add(
                "order",
                item.where,
                f"usage of {item.node} for slot {item.slot} without a durable decision before it",
            )
        elif decided["epoch"] != item.body["epoch"]:
            self._add(
                "epoch", item.where, f"usage says epoch {item.body['epoch']}, decided was {decided['epoch']}"
            )
        if (item.slot, item.node) in self._usage:
            self._add("keys", item.where, f"a second usage of {item.node} for slot {item.slot}")
        self._usage[item.slot, item.node] = item.body
        if item.slot in self._decisions and item.slot not in self._ended:
            self._count_batches(item)

    def _count_batches(self, item: Item) -> None:
        """First come, first counted, each owner's batches up to what was decided."""
        for executed in item.body["executed"]:
            owner = executed["owner"]
            decided = self._decided(item.slot, owner)
            if decided is None:
                self._add("batches", item.where, f"ran batches of {owner}, who has no decision")
                continue
            total = self._own_batches(item.slot, decided) + sum(send["batches"] for send in decided["sends"])
            counts = max(0, min(executed["batches"], total - self._counted[item.slot, owner]))
            self._counted[item.slot, owner] += counts
            self._counted_of[item.slot, item.node] += counts

    def _own_batches(self, slot: int, decided: Mapping[str, Any]) -> int:
        """Batches to run at home: decided, or, of a self-managed node, as its usage says; 0 until it does."""
        told = self._usage.get((slot, decided["node_id"]), {}).get("own_work")
        return int(decided["own_batches"] if told is None else told["own_batches"])

    def take_settlement(self, item: Item) -> None:
        self._key_of_message(item.key, item.body, item.where)
        if (item.slot, item.node) not in self._usage:
            self._add(
                "order", item.where, f"settlement of {item.node} for slot {item.slot} without its usage"
            )

    def take_trade(self, item: Item) -> None:
        decision = self._decisions[item.slot]
        decided = [tuple(row) for row in decision["transfers"]]
        outcome = [(t["donor"], t["recipient"], t["decided_uj"]) for t in item.body["transfers"]]
        if decided != outcome:
            self._add("transfers", item.where, "the outcome does not name the decided transfers one by one")
        for t in item.body["transfers"]:
            pair = f"{t['donor']}->{t['recipient']}"
            if not 0 <= t["received_uj"] <= t["sent_uj"] <= t["decided_uj"]:
                self._add(
                    "transfers", item.where, f"{pair}: {t['received_uj']} of {t['sent_uj']} uJ sent arrive"
                )
            if t["sent_uj"] == 0 and not t["reason"]:
                self._add("transfers", item.where, f"{pair} is void without a reason")
        self._trades[item.slot] = item.body

    def take_gap(self, item: Item) -> None:
        self._counts["unmetered node slots"] += 1
        self._gaps.add((item.slot, item.node))
        if item.postings:
            self._add("postings", item.where, "a gap books nothing")

    def take_booking(self, item: Item) -> None:
        if (item.slot, item.node) in self._booked:
            self._add("keys", item.where, f"{item.node} is booked twice for slot {item.slot}")
        self._booked.add((item.slot, item.node))
        balance, usage = item.body["balance"], self._usage.get((item.slot, item.node))
        if usage is None:
            self._add("order", item.where, f"booked without a usage of {item.node} for slot {item.slot}")
            return
        self._check_battery(item.node, balance, item.before, item.where)
        self._check_reading(item.node, item.body, usage, item.where)
        self._check_identities(balance, item.where)
        self._check_booking_postings(item.slot, item.node, item.body, item.postings, item.where)
        if item.body["late"]:
            self._counts["readings after their slot's end"] += 1
        elif item.body["estimated"]:
            self._counts["bookings by estimate"] += 1
        self._check_executed(item.slot, item.node, item.body, usage, item.where)
        self._check_delivered(item.body, usage, item.where)
        self._lines.booking(item.where, item.slot, item.node, item.body, usage)
        if not item.body["late"]:
            self._emissions[item.slot] += sum(line["operational_pg"] for line in item.body["lines"])

    def _check_battery(self, node: str, balance: Any, before: int, where: str) -> None:
        if balance["battery_before_uj"] != before:
            self._add(
                "battery",
                where,
                f"{node} begins with {balance['battery_before_uj']} uJ, the books held {before} uJ",
            )

    def _check_reading(self, node: str, body: Any, usage: Any, where: str) -> None:
        metered = sum(line["energy_uj"] for line in usage["lines"])
        own = [line for line in body["lines"] if line["node_id"] not in HOLDERS]
        if sum(line["energy_uj"] for line in own) != metered or body["balance"]["demand_uj"] != metered:
            self._add("reading", where, f"books another demand than the {metered} uJ that {node} metered")
        if body["balance"]["harvest_uj"] != usage["harvest_uj"]:
            self._add("reading", where, f"books another harvest than the {usage['harvest_uj']} uJ metered")
        if sum(line["grid_uj"] for line in own) != body["balance"]["grid_uj"]:
            self._add("reading", where, "the lines' grid energy is not the node's")

    def _check_delivered(self, body: Any, usage: Any, where: str) -> None:
        """What (T1) counts is what the reading says of each service, less the share of wasted batches."""
        if "services" not in body:
            return  # format 1 booked sums alone
        wanted: dict[str, dict[str, int]] = {}
        counted, wasted = body["executed_batches"], body["wasted_batches"]
        planned = [(part, wasted) for part in usage["serving"]]
        outside = [] if usage["outside"] is None else [(usage["outside"], 0)]
        for part, out in [] if body["late"] else [*planned, *outside]:
            own = wanted.setdefault(part["service"], dict.fromkeys(DELIVERED, 0))
            for name in DELIVERED:
                own[name] += part[name] * counted // (counted + out) if out else part[name]
        if {part["service"]: {name: part[name] for name in DELIVERED} for part in body["services"]} != wanted:
            self._add(
                "delivered", where, f"counts {body['services']} as delivered, the reading makes it {wanted}"
            )
        if any(body[name] != sum(part[name] for part in body["services"]) for name in DELIVERED):
            self._add(
                "delivered", where, "requests, tokens or bits are not the sums of those of the services"
            )

    def _check_identities(self, b: Any, where: str) -> None:
        if b["demand_uj"] != b["grid_uj"] + b["green_uj"]:
            self._add("identity", where, "(D1) demand is not grid + green")
        into = b["harvest_uj"] + b["discharge_uj"] + b["import_uj"]
        if into != b["green_uj"] + b["charge_uj"] + b["export_uj"] + b["curtailed_uj"]:
            self._add("identity", where, "(D2) what comes to the green bus does not leave it")
        lost = b["self_discharge_uj"] + b["charge_loss_uj"] + b["discharge_loss_uj"]
        after = b["battery_before_uj"] + b["charge_uj"] - b["discharge_uj"] - lost
        if b["battery_after_uj"] != after:
            self._add("identity", where, "(D3) the battery's content does not follow from its flows")

    def _check_booking_postings(self, slot: int, node: str, body: Any, postings: Any, where: str) -> None:
        b = body["balance"]
        names = {
            f"node/{node}/grid": -b["grid_uj"],
            f"node/{node}/harvest": -b["harvest_uj"],
            f"node/{node}/battery": b["battery_after_uj"] - b["battery_before_uj"],
            f"node/{node}/curtailed": b["curtailed_uj"],
            f"node/{node}/loss/charge": b["charge_loss_uj"],
            f"node/{node}/loss/discharge": b["discharge_loss_uj"],
            f"node/{node}/loss/self_discharge": b["self_discharge_uj"],
        }
        wanted: dict[tuple[str, str], int] = defaultdict(int)
        for account, amount in names.items():
            wanted[account, Unit.MICROJOULES] += amount
        exported = imported = 0
        for t in body["transfers"]:
            account = f"transfer/{t['donor']}->{t['recipient']}"
            if t["donor"] == node:
                wanted[account, Unit.MICROJOULES] += t["sent_uj"]
                exported += t["sent_uj"]
                self._legs[slot, t["donor"], t["recipient"]]["out"] = (t["sent_uj"], t["received_uj"])
            else:
                wanted[account, Unit.MICROJOULES] -= t["sent_uj"]
                wanted[f"loss/{account}", Unit.MICROJOULES] += t["sent_uj"] - t["received_uj"]
                imported += t["received_uj"]
                self._legs[slot, t["donor"], t["recipient"]]["in"] = (t["sent_uj"], t["received_uj"])
        if (exported, imported) != (b["export_uj"], b["import_uj"]):
            self._add("transfers", where, "export and import are not those of the node's transfers")
        self._add_lines(wanted, body["lines"])
        self._compare(wanted, postings, where)

    @staticmethod
    def _add_lines(wanted: dict[tuple[str, str], int], lines: Any) -> None:
        for line in lines:
            shared = line["node_id"] in HOLDERS
            holder = line["node_id"] if shared else f"node/{line['node_id']}"
            account = f"{holder}/stage/{line['stage']}/{line['component']}"
            wanted[account, Unit.MICROJOULES] += line["energy_uj"]
            if shared:
                wanted[f"{holder}/grid", Unit.MICROJOULES] -= line["energy_uj"]
            wanted[account, Unit.PICOGRAMS] -= line["operational_pg"]
            wanted["atmosphere", Unit.PICOGRAMS] += line["operational_pg"]

    def _compare(self, wanted: dict[tuple[str, str], int], postings: Any, where: str) -> None:
        got: dict[tuple[str, str], int] = defaultdict(int)
        for posting in postings:
            got[posting.account, posting.unit] += posting.amount
        accounts = {key for key in (*wanted, *got) if wanted.get(key, 0) != got.get(key, 0)}
        for account, unit in sorted(accounts):
            booked, said = got.get((account, unit), 0), wanted.get((account, unit), 0)
            self._add("postings", where, f"{account}: booked {booked} {unit}, the document says {said}")

    def _check_executed(self, slot: int, node: str, body: Any, usage: Any, where: str) -> None:
        ran = sum(entry["batches"] for entry in usage["executed"])
        counts = 0 if body["late"] else self._counted_of[slot, node]
        if (body["executed_batches"], body["wasted_batches"]) != (counts, ran - counts):
            self._add(
                "batches", where, f"{node} ran {ran} batches of which {counts} count; booked are others"
            )
        if not body["late"]:
            self._executed[slot] += counts

    def take_slot_end(self, item: Item) -> None:
        self._ended.add(item.slot)
        wanted: dict[tuple[str, str], int] = defaultdict(int)
        self._add_lines(wanted, item.body["lines"])
        self._compare(wanted, item.postings, item.where)
        decision = self._decisions[item.slot]
        self._lines.slot_end(item.where, item.slot, item.body, decision)
        for told in decision["plan"]["decisions"]:
            present = (item.slot, told["node_id"]) in self._booked, (item.slot, told["node_id"]) in self._gaps
            if present.count(True) != 1:
                self._add("gaps", item.where, f"{told['node_id']} has neither or both of a booking and a gap")
        if item.slot not in self._trades:
            self._add("transfers", item.where, "the slot ended without an outcome of its transfers")
        for t in self._trades.get(item.slot, {"transfers": []})["transfers"]:
            self._check_legs(item.slot, t, item.where)
        for (account, unit), amount in self._balances.items():
            if account.startswith("transfer/") and amount != 0:
                self._add("transfers", item.where, f"{account} still holds {amount} {unit} after the slot")
        decided = sum(
            self._own_batches(item.slot, d) + sum(s["batches"] for s in d["sends"])
            for d in decision["plan"]["decisions"]
        )
        counted = self._executed[item.slot]
        summary = item.body["summary"]
        if counted > decided or counted != summary["executed_batches"]:
            self._add(
                "batches",
                item.where,
                f"{counted} batches count, decided were {decided}, summary {summary['executed_batches']}",
            )
        emitted = self._emissions[item.slot] + sum(line["operational_pg"] for line in item.body["lines"])
        if emitted != summary["emissions_pg"]:
            self._add(
                "summary",
                item.where,
                f"emissions {summary['emissions_pg']} pg, the lines sum to {emitted} pg",
            )

    def _check_legs(self, slot: int, t: Any, where: str) -> None:
        legs = self._legs.get((slot, t["donor"], t["recipient"]), {})
        amounts = (t["sent_uj"], t["received_uj"])
        wanted = {"out": amounts, "in": amounts} if t["sent_uj"] else {}
        if legs != wanted:
            pair = f"{t['donor']}->{t['recipient']}"
            self._add("transfers", where, f"{pair}: legs booked {legs}, the outcome needs {wanted}")

    # --- the end -------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """What only the whole can tell: the atmosphere holds what the stages owe."""
        owed = sum(
            amount
            for (account, unit), amount in self._balances.items()
            if unit == Unit.PICOGRAMS and account != "atmosphere"
        )
        held = self._balances["atmosphere", Unit.PICOGRAMS]
        if owed + held != 0:
            self._add("sums", "atmosphere", f"{held} pg in the atmosphere, {-owed} pg owed by stages")
        usage_open = {s for s, _ in self._usage if s in self._ended}
        for slot, node in self._usage:
            if slot in usage_open and (slot, node) not in self._booked:
                self._add("reading", f"slot {slot}", f"the reading of {node} is in no booking")

    def notices(self) -> list[str]:
        """What is no broken promise, and still worth knowing."""
        return [f"{count} {name}" for name, count in sorted(self._counts.items())]
