"""Lines of a ledger computed again from readings, profiles and intensities: joules by bytes, grams by (L1). Pure.

Written apart from coordinator.slots.lines on purpose: a fault there must not hide itself here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

from carbon_data.units import JOULES_PER_KWH, MICRO
from coordinator.ledger.checks.facts import Facts
from coordinator.ledger.checks.item import Add, Item
from protos.messages.terms import HOLDERS, Component, Holder

Line = tuple[str, str, str, str, int, int, int]
"""Holder, zone, stage, component, energy and grid energy in uJ, emissions in pg."""


class Lines:
    """``resolution_pg``: picograms to which the file's version rounded emissions."""

    def __init__(self, add: Add, facts: Facts, resolution_pg: int) -> None:
        self._add, self._facts, self._resolution = add, facts, resolution_pg
        self._config: Mapping[str, Any] = {}
        self._series: dict[str, list[float]] = {}
        self._profiles: dict[str, Mapping[str, Any]] = {}

    def take_start(self, item: Item) -> None:
        """The first start holds the configuration."""
        if "config" in item.body:
            self._config = item.body["config"]
            self._series = {zone["zone"]: list(zone["intensity_g_per_kwh"]) for zone in self._config["zones"]}

    def take_signal(self, item: Item) -> None:
        """Live intensities of a slot."""
        for told in item.body["zones"]:
            self._series[told["zone"]].append(told["g_per_kwh"])

    def _at(self, zone: str, slot: int) -> float:
        """Intensity of a zone in a slot; 0 where it was never frozen, which is a finding of its own (signals)."""
        series = self._series[zone]
        return series[slot] if slot < len(series) else 0.0

    def take_registration(self, item: Item) -> None:
        self._profiles[item.node] = item.body["profile"]

    def take_booking(self, item: Item) -> None:
        """A node's slot: its own lines, and what its bytes cost others."""
        slot, node, body = item.slot, item.node, item.body
        usage, zone = self._facts.usage[slot, node], self._profiles[node]["zone"]
        if body["zone"] != zone or body["intensity_g_per_kwh"] != self._at(zone, slot):
            self._add("lines", item.where, f"zone or intensity are not those of {node} in slot {slot}")
            return
        own = [line for line in body["lines"] if line["node_id"] not in HOLDERS]
        self._own(item.where, zone, body, usage, own)
        got = Counter(_row(line) for line in body["lines"] if line["node_id"] in HOLDERS)
        wanted = Counter([*self._model(zone, slot, body, usage), *self._users(zone, slot, node, usage)])
        late = Counter(self._parcels(slot, body["stage"], _moved(node, usage))) if body["late"] else Counter()
        if wanted - got or got - wanted - late:
            self._add("lines", item.where, f"the lines beside {node}'s own are not those of its bytes")

    def take_slot_end(self, item: Item) -> None:
        """Network of parcels and of a market; coordinator and router."""
        slot, decision = item.slot, self._facts.decisions[item.slot]
        stage, market = decision["stage"], decision.get("market")
        wanted = Counter(self._parcels(slot, stage, item.body["parcels"]))
        if market is not None:
            wanted.update(self._market(slot, stage, market))
        network = [line for line in item.body["lines"] if line["node_id"] == Holder.NETWORK]
        if Counter(_row(line) for line in network) != wanted:
            self._add("lines", item.where, "the network's lines are not those of the slot's bytes")
        for line in item.body["lines"]:
            seconds = item.body["wall"]["duration_s"] if "wall" in item.body else self._config["slot_s"]
            if line["node_id"] != Holder.NETWORK and not self._follows_from_power(slot, stage, line, seconds):
                self._add(
                    "lines", item.where, f"the line of the {line['node_id']} does not follow from its power"
                )

    def _follows_from_power(self, slot: int, stage: str, line: Mapping[str, Any], seconds: float) -> bool:
        """The router's whole power, and of the coordinator no less than its static one; at its own zone."""
        home, energy_uj, component = self._config["body"], line["energy_uj"], line["component"]
        router_uj = round(home["router_w"] * seconds * MICRO)
        least_uj = round(home["static_w"] * seconds * MICRO)
        if component == Component.ROUTER and energy_uj != router_uj:
            return False
        if component == Component.COORDINATOR and energy_uj < least_uj:
            return False
        return _row(line) == self._line(line["node_id"], (home["zone"],), slot, stage, component, energy_uj)

    # --- expected lines ------------------------------------------------------------------------------------

    def _own(
        self,
        where: str,
        zone: str,
        body: Mapping[str, Any],
        usage: Mapping[str, Any],
        own: Sequence[Mapping[str, Any]],
    ) -> None:
        """As metered, waste apart; grams of all are (L1) of the grid's joules, shared out in proportion."""
        executed, wasted = body["executed_batches"], body["wasted_batches"]
        metered: Counter[tuple[str, str]] = Counter()
        for line in usage["lines"]:
            metered[line["stage"], line["component"]] += line["energy_uj"]
            if wasted and (line["stage"], line["component"]) == (body["stage"], Component.COMPUTE):
                moved = line["energy_uj"] * wasted // (executed + wasted)
                metered[line["stage"], Component.COMPUTE] -= moved
                metered[line["stage"], Component.WASTE] += moved
        booked: Counter[tuple[str, str]] = Counter()
        for line in own:
            booked[line["stage"], line["component"]] += line["energy_uj"]
        if {k: v for k, v in metered.items() if v} != {k: v for k, v in booked.items() if v}:
            self._add("lines", where, f"lines are not those metered, {wasted} batches being waste")
        demand, exact = body["balance"]["demand_uj"], self._exact_pg(body["balance"]["grid_uj"], body)
        if sum(line["operational_pg"] for line in own) != self._rounded(exact):
            self._add("lines", where, "emissions are not (L1) of the node's grid energy")
        for line in own:
            share = Fraction(line["energy_uj"], demand) if demand else Fraction(0)
            off = max(
                abs(line["operational_pg"] - exact * share) / self._resolution,
                abs(line["grid_uj"] - body["balance"]["grid_uj"] * share),
            )
            if off > 2 or line["zone"] != zone:
                self._add(
                    "lines", where, f"{line['stage']}/{line['component']} has another share than its energy's"
                )

    def _model(
        self, zone: str, slot: int, body: Mapping[str, Any], usage: Mapping[str, Any]
    ) -> Iterator[Line]:
        energy_uj = self._network_uj(usage["model_bytes"])
        if energy_uj:
            yield self._line(Holder.NETWORK, (zone,), slot, body["stage"], Component.NETWORK, energy_uj)

    def _users(self, zone: str, slot: int, node: str, usage: Mapping[str, Any]) -> Iterator[Line]:
        for traffic in usage.get("users", ()):
            profile = self._profiles[traffic["owner"]]
            up, down, stage = traffic["up_bytes"], traffic["down_bytes"], traffic["stage"]
            sent, heard = (
                round(count * profile[name] * MICRO)
                for count, name in ((up, "tx_j_per_byte"), (down, "rx_j_per_byte"))
            )
            if sent:
                yield self._line(Holder.DEVICES, (profile["zone"],), slot, stage, Component.RADIO_TX, sent)
            if heard:
                yield self._line(Holder.DEVICES, (profile["zone"],), slot, stage, Component.RADIO_RX, heard)
            if carried := self._network_uj(up + down):
                yield self._line(
                    Holder.NETWORK, (profile["zone"], zone), slot, stage, Component.NETWORK, carried
                )

    def _parcels(self, slot: int, stage: str, parcels: Sequence[Mapping[str, Any]]) -> Iterator[Line]:
        for parcel in parcels:
            zones = tuple(self._profiles[parcel[end]]["zone"] for end in ("owner", "executor"))
            if energy_uj := self._network_uj(parcel["payload_bytes"]):
                yield self._line(Holder.NETWORK, zones, slot, stage, Component.NETWORK, energy_uj)

    def _market(self, slot: int, stage: str, market: Mapping[str, Any]) -> Iterator[Line]:
        total: Counter[str] = Counter()
        for side in ("down_bytes", "up_bytes"):
            for node, size in market[side].items():
                total[self._profiles[node]["zone"]] += size
        for zone, size in total.items():
            if energy_uj := self._network_uj(size):
                zones = (zone, self._config["body"]["zone"])
                yield self._line(Holder.NETWORK, zones, slot, stage, Component.NEGOTIATION, energy_uj)

    def _network_uj(self, size: int) -> int:
        return round(size * self._config["limits"]["net_j_per_byte"] * MICRO)

    def _line(
        self, holder: str, zones: tuple[str, ...], slot: int, stage: str, component: str, energy_uj: int
    ) -> Line:
        """All from the grid, at the mean intensity of its ends."""
        intensity = sum(self._at(zone, slot) for zone in zones) / len(zones)
        name = "+".join(dict.fromkeys(zones))
        grams = self._rounded(self._exact_pg(energy_uj, {"intensity_g_per_kwh": intensity}))
        return holder, name, stage, component, energy_uj, energy_uj, grams

    def _exact_pg(self, grid_uj: int, at: Mapping[str, Any]) -> Fraction:
        return grid_uj * Fraction(at["intensity_g_per_kwh"]) * MICRO / Fraction(JOULES_PER_KWH)

    def _rounded(self, exact_pg: Fraction) -> int:
        return round(exact_pg / self._resolution) * self._resolution


def _row(line: Mapping[str, Any]) -> Line:
    return (
        *(line["node_id"], line["zone"], line["stage"], line["component"]),
        *(line["energy_uj"], line["grid_uj"], line["operational_pg"]),
    )


def _moved(node: str, usage: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Parcels as one end counted them."""
    return [
        {
            "owner": node if moved["sent"] else moved["peer"],
            "executor": moved["peer"] if moved["sent"] else node,
            "payload_bytes": moved["payload_bytes"],
        }
        for moved in usage["moved"]
    ]
