"""A booking against the reading that it books: joules metered, harvest, what was delivered; and what a sensor's
reading says of its own quality."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from carbon_data.types import Provenance
from coordinator.ledger.checks.facts import Facts
from coordinator.ledger.checks.item import Add, Item
from protos.messages.terms import HOLDERS, Component, MeterKind, RequestPart, Stage

ESTIMATE = str(MeterKind.ESTIMATE)
SOURCES_OF = {str(kind): frozenset({str(kind.provenance), str(Provenance.REPLAYED)}) for kind in MeterKind}
"""Provenances that lines of a sensor of each kind may have."""
WORKING = frozenset({str(Component.COMPUTE), str(Component.STATIC), str(Component.WASTE)})
"""Components of the application stage whose joules are those of requests to a language model."""
READ = str(RequestPart.READ)
DELIVERED = ("requests", "tokens_in", "tokens_out", "bits")


class Readings:
    def __init__(self, add: Add, facts: Facts) -> None:
        self._add, self._facts = add, facts

    def take_booking(self, item: Item) -> None:
        usage = self._facts.usage[item.slot, item.node]
        self._joules(item, usage)
        if (
            usage.get("metered") is not None
        ):  # not in ledgers of versions before, nor where joules are modelled
            self._metered(item, usage)
        if usage.get("harvest_metered") is not None:
            self._harvested(item, usage)
        self._delivered(item, usage)
        if usage.get("requests"):  # of nodes that serve a language model
            self._requests(item, usage)

    def _joules(self, item: Item, usage: Mapping[str, Any]) -> None:
        node, balance = item.node, item.body["balance"]
        metered = sum(line["energy_uj"] for line in usage["lines"])
        own = [line for line in item.body["lines"] if line["node_id"] not in HOLDERS]
        if sum(line["energy_uj"] for line in own) != metered or balance["demand_uj"] != metered:
            self._add(
                "reading", item.where, f"books another demand than the {metered} uJ that {node} metered"
            )
        harvest = usage["harvest_uj"]
        if balance["harvest_uj"] != harvest:
            self._add("reading", item.where, f"books another harvest than the {harvest} uJ metered")
        if sum(line["grid_uj"] for line in own) != balance["grid_uj"]:
            self._add("reading", item.where, "the lines' grid energy is not the node's")

    def _metered(self, item: Item, usage: Mapping[str, Any]) -> None:
        """A sensor's reading: its energy is that of the lines, and its interval one that it can have."""
        told, total = usage["metered"], sum(line["energy_uj"] for line in usage["lines"])
        where = f"{item.where}: reading of {item.node}"
        if told["energy_uj"] != total:
            self._add("reading", where, f"the meter read {told['energy_uj']} uJ, its lines are {total} uJ")
        booked_as = SOURCES_OF.get(told["kind"], frozenset())
        if not {line["provenance"] for line in usage["lines"]} <= booked_as:
            self._add("reading", where, f"its lines are not of a sensor of kind {told['kind']!r}")
        self._quality(told, where)

    def _harvested(self, item: Item, usage: Mapping[str, Any]) -> None:
        """A panel's sensor: its energy is the harvest."""
        told, harvest = usage["harvest_metered"], usage["harvest_uj"]
        where = f"{item.where}: harvest of {item.node}"
        if told["energy_uj"] != harvest:
            self._add(
                "reading", where, f"the panel's meter read {told['energy_uj']} uJ, booked are {harvest} uJ"
            )
        self._quality(told, where)

    def _quality(self, told: Mapping[str, Any], where: str) -> None:
        half, bias = told["half_width_uj"], told["bias_uj"]
        if told["kind"] == ESTIMATE:
            if half is not None or bias is not None:
                self._add("reading", where, "an estimate has an interval")
        elif half is None or bias is None or not 0 <= bias <= half:
            self._add("reading", where, f"an interval of {half} uJ on either side, {bias} uJ of it bias")
        covered, rate = told["coverage_fraction"], told["rate_hz"]
        if not (0 <= covered <= 1 and rate >= 0 and told["gaps"] >= 0 and told["window_s"] > 0):
            self._add(
                "reading",
                where,
                f"{covered} of {told['window_s']} s covered at {rate} samples per second with {told['gaps']} gaps",
            )

    def _requests(self, item: Item, usage: Mapping[str, Any]) -> None:
        """Every joule of the application stage's work has its request or is other waste, and every token has one."""
        told, where = usage["requests"], f"{item.where}: reading of {item.node}"
        energy = sum(one["prefill_uj"] + one["decode_uj"] + one["waste_uj"] for one in told)
        failed = [one for one in told if one["failed"]]
        other = usage.get("other_waste_uj")
        if other is not None:
            energy += other
        # Before readings told other waste, all of a slot's waste was that of its failed requests.
        components = WORKING if failed or other is not None else WORKING - {str(Component.WASTE)}
        lines = sum(
            line["energy_uj"]
            for line in usage["lines"]
            if line["stage"] == Stage.APPLICATION and line["component"] in components
        )
        if energy != lines:
            self._add(
                "requests",
                where,
                f"its requests and other waste took {energy} uJ, its lines of their work are {lines} uJ",
            )
        if other is not None and other < 0:
            self._add("requests", where, f"its other waste is {other} uJ; allowed is >= 0")
        if any(one["prefill_uj"] or one["decode_uj"] or one["tokens_out"] for one in failed):
            self._add("requests", where, "a request that failed has useful joules or tokens")
        if any(one["waste_uj"] for one in told if not one["failed"]):
            self._add("requests", where, "a request that was answered has wasted joules")
        read = [
            one for one in told if one.get("part") == READ
        ]  # answered elsewhere, where their tokens count
        answered = [one for one in told if one.get("part") != READ]
        sums = {
            "requests": sum(not one["failed"] for one in answered),
            "tokens_in": sum(one["cached_tokens"] + one["prefilled_tokens"] for one in answered),
            "tokens_out": sum(one["tokens_out"] for one in answered),
            "bits": sum(one["content_bits"] for one in answered),
        }
        said = {name: sum(part[name] for part in usage["serving"]) for name in sums}
        if said != sums:
            self._add("requests", where, f"its requests have {sums}, its services {said}")
        if any(one["decode_uj"] or one["tokens_out"] or one["content_bits"] for one in read):
            self._add("requests", where, "a prompt that was read for another node has an answer")
        if any(one["owner"] != item.node for one in read):
            self._add("requests", where, "a prompt was read that is another node's")
        # A prompt may be read twice: too late for its slot, and in the next one.
        batches = {(one["owner"], one["batch_id"], one["place"]) for one in answered}
        if len(batches) != len(answered):
            self._add("requests", where, "a request is named twice")

    def _delivered(self, item: Item, usage: Mapping[str, Any]) -> None:
        """What (T1) counts equals the reading's figures of each service, less the share of wasted batches."""
        body = item.body
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
        booked = body["services"]
        if {part["service"]: {name: part[name] for name in DELIVERED} for part in booked} != wanted:
            self._add("delivered", item.where, f"counts {booked} as delivered, the reading makes it {wanted}")
        if any(body[name] != sum(part[name] for part in booked) for name in DELIVERED):
            self._add(
                "delivered", item.where, "requests, tokens or bits are not the sums of those of the services"
            )

    def finish(self) -> None:
        """Every reading of a slot that ended is booked."""
        for slot, node in self._facts.usage:
            if slot in self._facts.ended and (slot, node) not in self._facts.booked:
                self._add("reading", f"slot {slot}", f"the reading of {node} is in no booking")
