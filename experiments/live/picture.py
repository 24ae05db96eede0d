"""What is shown of a run that goes on, from the entries of its ledger. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from carbon_data.units import from_micro, from_pico
from coordinator.ledger import Entry, Kind, StoredEntry, Unit

FAULTS_SHOWN = 200
"""Newest faults that are kept; all are counted."""


@dataclass
class NodePicture:
    """A node as its last booked slot left it."""

    node_id: str
    zone: str
    capacity_j: float
    meter: str
    boot_id: str
    awake: bool | None = None
    battery_j: float = 0.0
    demand_j: float | None = None
    """Of its last booked slot, as the two that follow; None: that slot is a gap, or none was booked yet."""
    grid_j: float | None = None
    green_j: float | None = None
    batches: int = 0
    """Run in that slot, its own and guests'."""
    gaps: int = 0


@dataclass
class Picture:
    """A run as far as its ledger tells. ``take`` new entries, then read it."""

    config: Mapping[str, Any] = field(default_factory=dict)
    nodes: dict[str, NodePicture] = field(default_factory=dict)
    balances: dict[tuple[str, Unit], int] = field(default_factory=lambda: defaultdict(int))
    """Of every account, in microjoules or picograms: exactly the ledger's."""
    slot: int | None = None
    """The slot that was decided last."""
    stage: str = ""
    ended: int = 0
    """Slots that are closed."""
    starts: int = 0
    """Of the coordinator; above one: it came back."""
    flows_slot: int | None = None
    batch_flows: list[tuple[str, str, int]] = field(default_factory=list)
    """(owner, executor, batches) of ``flows_slot``."""
    energy_flows: list[tuple[str, str, float]] = field(default_factory=list)
    """(donor, recipient, joules that arrived) of ``flows_slot``."""
    history: list[dict[str, Any]] = field(default_factory=list)
    """One row a closed slot."""
    faults: list[dict[str, Any]] = field(default_factory=list)
    fault_count: int = 0
    signals: dict[tuple[str, int], float] = field(default_factory=dict)
    """Live intensities by zone and slot, g/kWh."""
    evaluations: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    """By slot: accuracy and loss of the model, from the run's progress."""

    @property
    def slots(self) -> int:
        """Slots of the whole run."""
        return len(self.config.get("stages", ()))

    @property
    def is_rows(self) -> bool:
        """A virtual fleet: its ledger has sums over the nodes in place of nodes."""
        return not self.nodes and any(account.startswith("nodes/") for account, _ in self.balances)

    @property
    def emissions_g(self) -> float:
        return from_pico(self.balances.get(("atmosphere", Unit.PICOGRAMS), 0))

    @property
    def energy_j(self) -> float:
        """All joules used, in every stage and by every holder."""
        return from_micro(
            sum(
                amount
                for (account, unit), amount in self.balances.items()
                if unit is Unit.MICROJOULES and "/stage/" in account
            )
        )

    @property
    def grid_j(self) -> float:
        return from_micro(
            -sum(
                amount
                for (account, unit), amount in self.balances.items()
                if unit is Unit.MICROJOULES and account.endswith("/grid")
            )
        )

    def intensity_of(self, zone: str, slot: int | None) -> float | None:
        """g/kWh; None where it is not known."""
        if slot is not None and (zone, slot) in self.signals:
            return self.signals[zone, slot]
        series = next(
            (found["intensity_g_per_kwh"] for found in self.config.get("zones", ()) if found["zone"] == zone),
            (),
        )
        return series[slot] if slot is not None and slot < len(series) else None

    def take(self, entries: Iterable[StoredEntry]) -> None:
        """Entries that are new, in their order."""
        for stored in entries:
            entry = stored.entry
            for posting in entry.postings:
                self.balances[posting.account, posting.unit] += posting.amount
            handler = _HANDLERS.get(entry.kind)
            if handler is not None:
                handler(self, entry)

    def learned(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Lines of the run's progress."""
        for line in lines:
            if line.get("evaluation"):
                self.evaluations[int(line["slot"])] = line["evaluation"]

    def fault(self, entry: Entry, text: str) -> None:
        self.fault_count += 1
        self.faults.append({"slot": entry.slot, "node": entry.node_id, "text": text})
        del self.faults[:-FAULTS_SHOWN]


def _start(picture: Picture, entry: Entry) -> None:
    picture.starts += 1
    if "config" in entry.body:
        picture.config = entry.body["config"]
    else:
        picture.fault(entry, "the coordinator was started again")


def _registration(picture: Picture, entry: Entry) -> None:
    profile, known = entry.body["profile"], picture.nodes.get(entry.node_id)
    if known is not None and known.boot_id != entry.body["boot_id"]:
        picture.fault(entry, "the node was started again")
    picture.nodes[entry.node_id] = NodePicture(
        entry.node_id,
        profile["zone"],
        from_micro(profile["battery_capacity_uj"]),
        profile["meter"],
        entry.body["boot_id"],
        gaps=0 if known is None else known.gaps,
        battery_j=0.0 if known is None else known.battery_j,
    )


def _opening(picture: Picture, entry: Entry) -> None:
    if entry.node_id in picture.nodes:
        picture.nodes[entry.node_id].battery_j = from_micro(entry.body["battery_uj"])


def _decision(picture: Picture, entry: Entry) -> None:
    picture.slot, picture.stage = entry.slot, entry.body["stage"]
    for decision in entry.body["plan"]["decisions"]:
        if decision["node_id"] in picture.nodes:
            picture.nodes[decision["node_id"]].awake = decision["awake"]


def _booking(picture: Picture, entry: Entry) -> None:
    node, balance = picture.nodes.get(entry.node_id), entry.body["balance"]
    if node is not None:
        node.battery_j = from_micro(balance["battery_after_uj"])
        node.demand_j, node.grid_j, node.green_j = (
            from_micro(balance[f"{name}_uj"]) for name in ("demand", "grid", "green")
        )
        node.batches = entry.body["executed_batches"]
    if entry.body["late"]:
        picture.fault(entry, "its reading came after the slot was closed")
    elif entry.body["estimated"]:
        picture.fault(entry, "its balance is estimated from its reading")


def _gap(picture: Picture, entry: Entry) -> None:
    node = picture.nodes.get(entry.node_id)
    if node is not None:
        node.gaps += 1
        node.demand_j = node.grid_j = node.green_j = None
    picture.fault(entry, f"no reading: {entry.body['reason']}")


def _trade(picture: Picture, entry: Entry) -> None:
    picture.flows_slot, picture.batch_flows = entry.slot, []
    picture.energy_flows = [
        (one["donor"], one["recipient"], from_micro(one["received_uj"]))
        for one in entry.body["transfers"]
        if one["received_uj"]
    ]


def _slot_end(picture: Picture, entry: Entry) -> None:
    parcels = [(one["owner"], one["executor"], one["batches"]) for one in entry.body["parcels"]]
    if picture.flows_slot != entry.slot:
        picture.flows_slot, picture.energy_flows = entry.slot, []
    picture.batch_flows = parcels
    _ended(picture, entry, entry.body["summary"])


def _rows(picture: Picture, entry: Entry) -> None:
    """A slot of a virtual fleet, whole."""
    picture.slot, picture.stage = entry.slot, entry.body["stage"]
    _ended(picture, entry, entry.body.get("summary", {}))


def _ended(picture: Picture, entry: Entry, summary: Mapping[str, Any]) -> None:
    picture.ended += 1
    picture.history.append(
        {
            "slot": entry.slot,
            "stage": picture.stage,
            "emissions_g": picture.emissions_g,
            "energy_j": picture.energy_j,
            "grid_j": picture.grid_j,
            "battery_j": from_micro(
                sum(
                    amount
                    for (account, unit), amount in picture.balances.items()
                    if unit is Unit.MICROJOULES and account.endswith("/battery")
                )
            ),
            "executed_batches": summary.get("executed_batches"),
            "moved_batches": summary.get("moved_batches"),
            "transferred_j": None
            if "transferred_uj" not in summary
            else from_micro(summary["transferred_uj"]),
            "unserved_batches": summary.get("unserved_batches"),
        }
    )


def _signal(picture: Picture, entry: Entry) -> None:
    assert entry.slot is not None
    for told in entry.body["zones"]:
        picture.signals[told["zone"], entry.slot] = told["g_per_kwh"]
        if told["stale"]:
            kept = ", beyond the limit" if told["kept"] else ""
            picture.fault(entry, f"the intensity of {told['zone']} is {told['age_s'] / 3600:.1f} h old{kept}")


def _alarm(picture: Picture, entry: Entry) -> None:
    picture.fault(entry, f"alarm: {entry.body['alarm'].replace('_', ' ')}")


_HANDLERS = {
    Kind.START: _start,
    Kind.REGISTRATION: _registration,
    Kind.OPENING: _opening,
    Kind.DECISION: _decision,
    Kind.BOOKING: _booking,
    Kind.GAP: _gap,
    Kind.TRADE: _trade,
    Kind.SLOT_END: _slot_end,
    Kind.SLOT: _rows,
    Kind.ALARM: _alarm,
    Kind.SIGNAL: _signal,
}
