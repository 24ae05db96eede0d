"""Slots of a virtual fleet: the guarantees of the other checks, column by column, computed apart from the code that
wrote them (coordinator.columns).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carbon_data.storage import TERMS
from carbon_data.units import JOULES_PER_KWH, MICRO
from coordinator.ledger.checks.facts import Facts
from coordinator.ledger.checks.item import Add, Item
from coordinator.ledger.columns import block_is_whole, unpack
from coordinator.ledger.entry import Unit
from protos.messages.terms import Component, Holder, Stage

Ints = NDArray[np.int64]
Wanted = Counter[tuple[str, str]]
TRAINING = (Stage.DEVELOPMENT, Stage.RECYCLING)
LINE = ("node_id", "zone", "stage", "component", "energy_uj", "grid_uj", "operational_pg")
STORE = {
    "curtailed": "curtailed_uj",
    "loss/charge": "charge_loss_uj",
    "loss/discharge": "discharge_loss_uj",
    "loss/self_discharge": "self_discharge_uj",
}


class ColumnSlots:
    """Takes FLEET and SLOT entries; nothing of a ledger without them."""

    def __init__(self, add: Add, facts: Facts) -> None:
        self._add, self._facts = add, facts
        self._config: Mapping[str, Any] = {}
        self._series: dict[str, Sequence[float]] = {}
        self._zones: list[str] = []
        self._capacity: Ints = np.zeros(0, dtype=np.int64)
        self._battery: Ints = np.zeros(0, dtype=np.int64)
        self._slots = 0

    def take_start(self, item: Item) -> None:
        """The first start holds the configuration."""
        if "config" in item.body:
            self._config = item.body["config"]
            self._series = {zone["zone"]: zone["intensity_g_per_kwh"] for zone in self._config["zones"]}

    def take_fleet(self, item: Item) -> None:
        """Profiles, and what was stored at first."""
        columns = self._columns(item)
        profiles = [item.body["profiles"][kind] for kind in columns["profile"].tolist()]
        if len(profiles) != len(self._config["node_ids"]):
            self._add("columns", item.where, f"{len(profiles)} nodes registered, the run has others")
        self._zones = [profile["zone"] for profile in profiles]
        self._capacity = np.array([profile["battery_capacity_uj"] for profile in profiles], dtype=np.int64)
        self._battery = columns["battery_uj"]
        stored = int(self._battery.sum())
        wanted: Wanted = Counter()
        wanted["nodes/battery", Unit.MICROJOULES] += stored
        wanted["nodes/opening", Unit.MICROJOULES] -= stored
        self._postings(item, wanted)

    def take_slot(self, item: Item) -> None:
        """A whole slot."""
        c, body = self._columns(item), item.body
        if item.slot != self._slots or body["epoch"] != 1:
            self._add(
                "order", item.where, f"slot {item.slot} of epoch {body['epoch']} after {self._slots} slots"
            )
        self._slots += 1
        self._facts.counts["slots decided by fallback"] += body["status"].startswith("fallback")
        self._identities(item, c)
        self._transfers(item, c)
        self._batches(item, c)
        self._lines(item, c)
        self._models(item, c)
        self._network(item, c)
        self._own(item)
        self._summary(item, c)
        self._postings(item, self._wanted(c, body))

    # --- one guarantee each --------------------------------------------------------------------------------

    def _columns(self, item: Item) -> dict[str, NDArray[Any]]:
        if not block_is_whole(item.body, item.block):
            self._add("content", item.where, "the block of columns is not what its digest was made of")
        return unpack(item.block)

    def _say(self, item: Item, code: str, failed: Any, text: str) -> None:
        """One finding for the first row of (N,) ``failed``."""
        wrong = np.asarray(failed)
        if wrong.any():
            row = int(np.argmax(wrong))
            more = f" (and {int(wrong.sum()) - 1} more)" if wrong.sum() > 1 else ""
            self._add(code, item.where, f"row {row}: {text}{more}")

    def _identities(self, item: Item, c: Mapping[str, Ints]) -> None:
        """(D1) to (D3), and batteries from slot to slot."""
        for name in TERMS:
            self._say(item, "identity", c[name] < 0, f"{name} is below 0")
        self._say(
            item,
            "identity",
            c["demand_uj"] != c["grid_uj"] + c["green_uj"],
            "(D1) demand is not grid + green",
        )
        into = c["harvest_uj"] + c["discharge_uj"] + c["import_uj"]
        out = c["green_uj"] + c["charge_uj"] + c["export_uj"] + c["curtailed_uj"]
        self._say(item, "identity", into != out, "(D2) what comes to the green bus does not leave it")
        lost = c["self_discharge_uj"] + c["charge_loss_uj"] + c["discharge_loss_uj"]
        after = c["battery_before_uj"] + c["charge_uj"] - c["discharge_uj"] - lost
        self._say(
            item,
            "identity",
            c["battery_after_uj"] != after,
            "(D3) the battery's content does not follow from its flows",
        )
        self._say(
            item,
            "battery",
            c["battery_before_uj"] != self._battery,
            "begins with another content than it had",
        )
        self._say(item, "battery", c["battery_after_uj"] > self._capacity, "more stored than its capacity")
        self._battery = c["battery_after_uj"]

    def _transfers(self, item: Item, c: Mapping[str, Ints]) -> None:
        """Sent no more than decided, received no more than sent, and both legs as the nodes booked them."""
        order = (
            (c["received_uj"] >= 0) & (c["received_uj"] <= c["sent_uj"]) & (c["sent_uj"] <= c["decided_uj"])
        )
        self._say(item, "transfers", ~order | (c["donor"] == c["recipient"]), "is no transfer")
        for rows, amount, booked in (
            ("donor", "sent_uj", "export_uj"),
            ("recipient", "received_uj", "import_uj"),
        ):
            found = self._by_node(c[rows], c[amount])
            self._say(item, "transfers", found != c[booked], f"{booked} is not that of its transfers")

    def _batches(self, item: Item, c: Mapping[str, Ints]) -> None:
        away = self._by_node(c["owner"], c["moved_batches"])
        guests = self._by_node(c["executor"], c["moved_batches"])
        ran = np.where(c["awake"], c["own_batches"] + guests, 0)
        self._say(item, "batches", c["executed_batches"] != ran, "ran other batches than were decided")
        self._say(
            item, "batches", np.asarray(~c["awake"] & (c["own_batches"] + guests > 0)), "was to work, asleep"
        )
        missed = np.maximum(0, c["due_batches"] - c["own_batches"] - away)
        if "selected" in c and item.body["stage"] in TRAINING:
            missed = np.where(c["selected"], missed, 0)
        self._say(
            item, "batches", c["missed_batches"] != missed, "missed other batches than those due and not run"
        )

    def _lines(self, item: Item, c: Mapping[str, Ints]) -> None:
        """Joules metered, grid energy and grams shared out in proportion, grams by (L1)."""
        energy, grid, grams = c["line_energy_uj"], c["line_grid_uj"], c["line_pg"]
        self._say(
            item, "reading", energy.sum(axis=1) != c["demand_uj"], "books another demand than was metered"
        )
        self._say(
            item, "reading", grid.sum(axis=1) != c["grid_uj"], "the lines' grid energy is not the node's"
        )
        at = np.array([self._series[zone][item.slot] for zone in self._zones])
        wanted = _grams(c["grid_uj"], at)
        self._say(
            item, "lines", grams.sum(axis=1) != wanted, "emissions are not (L1) of the node's grid energy"
        )
        share = energy / np.maximum(c["demand_uj"], 1)[:, None]
        for part, whole in ((grid, c["grid_uj"]), (grams, wanted)):
            even = whole[:, None] * share
            off = (np.abs(part - even) > 2 + 1e-12 * even).any(axis=1) | (part < 0).any(axis=1)
            self._say(item, "lines", off, "a line has another share than its energy's")

    def _network(self, item: Item, c: Mapping[str, Ints]) -> None:
        """Bytes that moved, each pair at the mean of both ends; models in their nodes' zones."""
        per_byte = self._config["limits"]["net_j_per_byte"]
        energy = np.array(
            [round(count * per_byte * MICRO) for count in c["payload_bytes"].tolist()], dtype=np.int64
        )
        self._say(item, "lines", c["network_uj"] != energy, "network energy is not that of its bytes")
        series = np.array([self._series[zone][item.slot] for zone in self._zones])
        middle = (series[c["owner"]] + series[c["executor"]]) / 2
        self._say(item, "lines", c["network_pg"] != _grams(energy, middle), "network emissions are not (L1)")
        wanted: dict[str, list[int]] = {}
        rows = list(
            zip(*(c[n].tolist() for n in ("owner", "executor", "network_uj", "network_pg")), strict=True)
        )
        if "model_bytes" in c:
            sizes = c["model_bytes"].tolist()
            joules_of = {size: round(size * per_byte * MICRO) for size in set(sizes)}
            energy = np.array([joules_of[size] for size in sizes], dtype=np.int64)
            nodes = range(len(self._zones))
            rows += zip(nodes, nodes, energy.tolist(), _grams(energy, series).tolist(), strict=True)
        for owner, executor, joules, grams in rows:
            one, other = self._zones[owner], self._zones[executor]
            if joules:
                sums = wanted.setdefault(one if one == other else f"{one}+{other}", [0, 0])
                sums[0], sums[1] = sums[0] + joules, sums[1] + grams
        kind = item.body["stage"], Component.NETWORK
        booked = sorted(
            tuple(line[name] for name in LINE[1:])
            for line in item.body["lines"]
            if line["node_id"] == Holder.NETWORK
        )
        if booked != sorted((zone, *kind, joules, joules, grams) for zone, (joules, grams) in wanted.items()):
            self._add("lines", item.where, "the network's lines are not those of the slot's bytes")

    def _models(self, item: Item, c: Mapping[str, NDArray[Any]]) -> None:
        """Who worked got a model and gave one back, the same size for all; who did not has no loss."""
        if "model_bytes" not in c:
            return
        sizes, worked = c["model_bytes"], c["executed_batches"] > 0
        wanted = np.where(worked, sizes.max(initial=0), 0)
        self._say(
            item, "reading", sizes != wanted, "model bytes are not those of a node that worked, or did not"
        )
        self._say(item, "reading", ~worked & ~np.isnan(c["mean_loss"]), "has a loss and did not train")
        self._say(
            item, "reading", np.isinf(c["mean_loss"]), "mean_loss is infinite; allowed are finite numbers"
        )

    def _own(self, item: Item) -> None:
        """Coordinator and router: their whole power and the coordinator's counted work, in the coordinator's zone."""
        home, seconds, body = self._config["body"], self._config["slot_s"], item.body
        work_j = 0.0
        if "aggregated_parameters" in body:
            work_j = (
                body["aggregated_parameters"] * home["joules_per_aggregated_parameter"]
                + body["evaluated_examples"] * home["joules_per_evaluated_example"]
            )
        at = self._series[home["zone"]][item.slot]
        wanted = []
        for holder, component, joules in (
            (Holder.COORDINATOR, Component.COORDINATOR, home["static_w"] * seconds + work_j),
            (Holder.ROUTER, Component.ROUTER, home["router_w"] * seconds),
        ):
            if energy := round(joules * MICRO):
                grams = int(_grams(np.array([energy]), np.array([at]))[0])
                wanted.append((holder, home["zone"], item.body["stage"], component, energy, energy, grams))
        booked = [
            tuple(line[name] for name in LINE)
            for line in item.body["lines"]
            if line["node_id"] != Holder.NETWORK
        ]
        if booked != wanted:
            self._add(
                "lines", item.where, "the lines of coordinator and router do not follow from their powers"
            )

    def _summary(self, item: Item, c: Mapping[str, Ints]) -> None:
        shared = item.body["lines"]
        shared_uj = sum(line["energy_uj"] for line in shared)
        wanted = {
            "slot": item.slot,
            "emissions_pg": int(c["line_pg"].sum()) + sum(line["operational_pg"] for line in shared),
            "grid_uj": int(c["grid_uj"].sum()) + shared_uj,
            "green_uj": int(c["green_uj"].sum()),
            "demand_uj": int(c["demand_uj"].sum()) + shared_uj,
            "moved_batches": int(c["moved_batches"].sum()),
            "transferred_uj": int(c["sent_uj"].sum()),
            "executed_batches": int(c["own_batches"].sum() + c["moved_batches"].sum()),
            "unserved_batches": int(c["missed_batches"].sum()),
        }
        if item.body["summary"] != wanted:
            self._add("summary", item.where, f"says {item.body['summary']}, the columns make it {wanted}")

    def _wanted(self, c: Mapping[str, Ints], body: Mapping[str, Any]) -> Wanted:
        """Postings that columns and lines stand for."""
        uj, pg = Unit.MICROJOULES, Unit.PICOGRAMS
        found: Wanted = Counter()
        found["nodes/grid", uj] -= int(c["grid_uj"].sum())
        found["nodes/harvest", uj] -= int(c["harvest_uj"].sum())
        found["nodes/battery", uj] += int(c["battery_after_uj"].sum() - c["battery_before_uj"].sum())
        found["loss/transfers", uj] += int(c["sent_uj"].sum() - c["received_uj"].sum())
        for account, name in STORE.items():
            found[f"nodes/{account}", uj] += int(c[name].sum())
        lines = [
            ("nodes", stage, component, int(c["line_energy_uj"][:, k].sum()), int(c["line_pg"][:, k].sum()))
            for k, (stage, component) in enumerate(body["line_names"])
        ]
        lines += [
            (line["node_id"], line["stage"], line["component"], line["energy_uj"], line["operational_pg"])
            for line in body["lines"]
        ]
        for holder, stage, component, energy, grams in lines:
            account = f"{holder}/stage/{stage}/{component}"
            found[account, uj] += energy
            found[account, pg] -= grams
            found["atmosphere", pg] += grams
            if holder != "nodes":
                found[f"{holder}/grid", uj] -= energy
        return found

    def _postings(self, item: Item, wanted: Wanted) -> None:
        got: Wanted = Counter()
        for posting in item.postings:
            got[posting.account, posting.unit] += posting.amount
        for account, unit in sorted({key for key in (*got, *wanted) if got[key] != wanted[key]}):
            self._add(
                "postings",
                item.where,
                f"{account}: booked {got[account, unit]} {unit}, the columns say {wanted[account, unit]}",
            )

    def _by_node(self, rows: Ints, amounts: Ints) -> Ints:
        found = np.zeros(len(self._zones), dtype=np.int64)
        np.add.at(found, rows, amounts)
        return found


def _grams(grid_uj: Ints, intensity: NDArray[np.float64]) -> Ints:
    """(L1) in picograms, half to even, in Python's integers."""
    per_uj = {value: Fraction(value) * MICRO / Fraction(JOULES_PER_KWH) for value in set(intensity.tolist())}
    found = []
    for amount, value in zip(grid_uj.tolist(), intensity.tolist(), strict=True):
        top, bottom = per_uj[value].numerator, per_uj[value].denominator
        whole, rest = divmod(amount * top, bottom)
        found.append(whole + (2 * rest > bottom or (2 * rest == bottom and whole % 2 == 1)))
    return np.array(found, dtype=np.int64)
