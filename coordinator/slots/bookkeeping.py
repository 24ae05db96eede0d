"""From what happened to entries of the ledger. Pure integers. Chart of accounts: coordinator.ledger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from carbon_data.storage import Balance
from carbon_data.types import Provenance
from carbon_data.units import to_micro
from coordinator.accounting.lifecycle import AttributedLine, attribute, grid_line, waste_from
from coordinator.ledger.entry import Entry, Kind, Posting, Unit, merged
from coordinator.slots.settle import SettledTransfer
from protos.messages import HOLDERS, Component, Holder, Settlement, SlotSummary, Stage, Usage

BALANCE_FIELDS = tuple(Balance.__slots__)


def message_key(node_id: str, boot_id: str, seq: int) -> str:
    """Key under which a node's message counts once."""
    return f"message/{node_id}/{boot_id}/{seq}"


def balance_of(settlement: Settlement) -> Balance:
    return Balance(**{name: getattr(settlement, name) for name in BALANCE_FIELDS})


@dataclass(frozen=True, slots=True)
class Counted:
    """How an executor's batches count: each batch of an owner once, the rest is waste."""

    executed: int
    wasted: int


@dataclass(frozen=True, slots=True)
class UsersEnd:
    """A node as the end that users' devices are at: their zone is its zone, their radio like its own."""

    zone: str
    intensity_g_per_kwh: float
    tx_j_per_byte: float
    rx_j_per_byte: float


@dataclass(frozen=True, slots=True)
class BookingContext:
    """What a booking needs beside the reading itself."""

    stage: Stage
    zone: str
    intensity_g_per_kwh: float
    net_j_per_byte: float
    transfers: tuple[SettledTransfer, ...]
    """Posted transfers with this node as donor or recipient."""
    counted: Counted
    users: Mapping[str, UsersEnd] = field(default_factory=dict)
    """By node whose users the reading names."""
    parcel_lines: tuple[Mapping[str, Any], ...] = ()
    """Only of a late reading: network lines of parcels that the slot's end did not know of."""


def booking(
    usage: Usage, balance: Balance, context: BookingContext, *, estimated: bool = False, late: bool = False
) -> Entry:
    """The one transaction of a node's slot: sources, stores, sinks, losses and emissions.

    ``estimated``: the split of the metered joules is the coordinator's cautious one. ``late``: the reading
    came after the slot's end, so its work counts as waste.
    """
    energy_lines = usage.lines
    counted = context.counted
    if late:
        counted = Counted(0, counted.executed + counted.wasted)
    total = counted.executed + counted.wasted
    energy_lines = waste_from(energy_lines, context.stage, counted.wasted, total)
    attributed = attribute(energy_lines, balance.grid_uj, context.intensity_g_per_kwh)
    lines = [_row(usage.node_id, context.zone, line) for line in attributed]
    network_uj = to_micro(usage.model_bytes * context.net_j_per_byte)
    if network_uj:
        network = grid_line(
            context.stage, Component.NETWORK, network_uj, context.intensity_g_per_kwh, Provenance.MODELLED
        )
        lines.append(_row(Holder.NETWORK, context.zone, network))
    lines.extend(user_lines(usage, context))
    lines.extend(dict(line) for line in context.parcel_lines)
    body = {
        "stage": str(context.stage),
        "zone": context.zone,
        "intensity_g_per_kwh": context.intensity_g_per_kwh,
        "balance": asdict(balance),
        "lines": lines,
        "transfers": [asdict(t) for t in context.transfers],
        "executed": [[e.owner, e.batches] for e in usage.executed],
        "executed_batches": counted.executed,
        "wasted_batches": counted.wasted,
        **_delivered(usage, counted, late),
        "model_bytes": usage.model_bytes,
        "estimated": estimated,
        "late": late,
        "reading": message_key(usage.node_id, usage.boot_id, usage.seq),
    }
    return Entry(
        Kind.BOOKING,
        f"booking/{usage.slot}/{usage.node_id}",
        body,
        booking_postings(usage.node_id, body),
        usage.slot,
        usage.node_id,
    )


def user_lines(usage: Usage, context: BookingContext) -> list[dict[str, Any]]:
    """What users' bytes cost beside the node's own radio, which is in its reading: the devices' radio at the
    intensity of the node they ask, the network at the mean of both ends."""
    lines = []
    for traffic in usage.users:
        end = context.users[traffic.owner]
        up, down = traffic.up_bytes, traffic.down_bytes
        middle = (context.intensity_g_per_kwh + end.intensity_g_per_kwh) / 2
        between = end.zone if end.zone == context.zone else f"{end.zone}+{context.zone}"
        for holder, zone, component, joules, intensity in (
            (Holder.DEVICES, end.zone, Component.RADIO_TX, up * end.tx_j_per_byte, end.intensity_g_per_kwh),
            (Holder.DEVICES, end.zone, Component.RADIO_RX, down * end.rx_j_per_byte, end.intensity_g_per_kwh),
            (Holder.NETWORK, between, Component.NETWORK, (up + down) * context.net_j_per_byte, middle),
        ):
            if energy_uj := to_micro(joules):
                line = grid_line(traffic.stage, component, energy_uj, intensity, Provenance.MODELLED)
                lines.append({**_row(holder, zone, line), "users": traffic.owner})
    return lines


COUNTS = ("requests", "tokens_in", "tokens_out", "bits")
"""What (T1) and the functional units count. Tokens are those of tasks that generate."""


def _delivered(usage: Usage, counted: Counted, late: bool) -> dict[str, Any]:
    """What a booking counts as delivered, in all and by service: answers of batches that counted elsewhere, or came
    too late, are delivered twice or to nobody, and left out in proportion, as their joules are waste.

    Outside clients' answers are no batches of anybody and count unless the whole reading is late.
    """
    services: dict[str, dict[str, int]] = {}
    total = counted.executed + counted.wasted
    for part in () if late else usage.served:
        own = services.setdefault(part.service, dict.fromkeys(COUNTS, 0))
        for name in COUNTS:
            count = getattr(part, name)
            if part is not usage.outside and counted.wasted:
                count = count * counted.executed // total
            own[name] += count
    return {
        **{name: sum(counts[name] for counts in services.values()) for name in COUNTS},
        "services": [{"service": service, **counts} for service, counts in services.items()],
    }


def delivered_by_service(booking: Mapping[str, Any], usage: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What a booking's document counts as delivered: ``service`` and COUNTS of each service.

    Documents of older versions name no services and counted a class as a token: there a service that read no tokens
    has none, and what its ``usage`` counted is booked in the proportion in which its requests were. Where the usage
    does not say either, as many tokens as requests were classes.
    """
    if "services" in booking:
        return list(booking["services"])
    parts = [part for part in (*usage.get("serving", ()), usage.get("outside")) if part is not None]
    if not parts and any(booking[name] for name in ("requests", "tokens", "bits")):
        generated = booking["tokens"] if booking["tokens"] != booking["requests"] else 0
        told = {"requests": booking["requests"], "bits": booking["bits"]}
        return [{"service": None, **told, "tokens_in": 0, "tokens_out": generated}]
    said = sum(part["requests"] for part in parts)
    found: dict[str, dict[str, int]] = {}
    for part in parts:
        own = found.setdefault(part["service"], dict.fromkeys(COUNTS, 0))
        for name in COUNTS:
            counts = part["tokens_in"] or not name.startswith("tokens")
            own[name] += part[name] * booking["requests"] // said if counts else 0
    return [{"service": service, **counts} for service, counts in found.items()]


def booking_postings(node_id: str, body: Mapping[str, Any]) -> tuple[Posting, ...]:
    """Postings that a booking's document stands for: what ``verify`` compares the stored ones with."""
    b = body["balance"]
    node = f"node/{node_id}"
    postings = [
        _uj(f"{node}/grid", -b["grid_uj"]),
        _uj(f"{node}/harvest", -b["harvest_uj"]),
        _uj(f"{node}/battery", b["battery_after_uj"] - b["battery_before_uj"]),
        _uj(f"{node}/curtailed", b["curtailed_uj"]),
        _uj(f"{node}/loss/charge", b["charge_loss_uj"]),
        _uj(f"{node}/loss/discharge", b["discharge_loss_uj"]),
        _uj(f"{node}/loss/self_discharge", b["self_discharge_uj"]),
    ]
    for t in body["transfers"]:
        account = f"transfer/{t['donor']}->{t['recipient']}"
        if t["donor"] == node_id:
            postings.append(_uj(account, t["sent_uj"]))
        else:
            postings.append(_uj(account, -t["sent_uj"]))
            postings.append(_uj(f"loss/{account}", t["sent_uj"] - t["received_uj"]))
    return merged(postings + line_postings(body["lines"]))


def line_postings(lines: Iterable[Mapping[str, Any]]) -> list[Posting]:
    """Energy and emissions of attributed lines; shared lines draw on a grid account of their own."""
    postings: list[Posting] = []
    for line in lines:
        holder = line["node_id"] if line["node_id"] in HOLDERS else f"node/{line['node_id']}"
        account = f"{holder}/stage/{line['stage']}/{line['component']}"
        postings.append(_uj(account, line["energy_uj"]))
        if line["node_id"] in HOLDERS:
            postings.append(_uj(f"{holder}/grid", -line["energy_uj"]))
        postings.append(Posting(account, Unit.PICOGRAMS, -line["operational_pg"]))
        postings.append(Posting("atmosphere", Unit.PICOGRAMS, line["operational_pg"]))
    return postings


def opening(node_id: str, slot: int, battery_uj: int) -> Entry:
    """What a node's battery held when it first came."""
    postings = (_uj(f"node/{node_id}/battery", battery_uj), _uj(f"node/{node_id}/opening", -battery_uj))
    body = {"battery_uj": battery_uj}
    return Entry(Kind.OPENING, f"opening/{node_id}", body, merged(list(postings)), slot, node_id)


def adjustment(node_id: str, slot: int, cause: str, booked_uj: int, reported_uj: int) -> Entry:
    """A battery that came out of an unmetered gap with another content than the books hold: explicit."""
    change = reported_uj - booked_uj
    postings = (_uj(f"node/{node_id}/battery", change), _uj(f"node/{node_id}/adjustment", -change))
    body = {"booked_uj": booked_uj, "reported_uj": reported_uj, "cause": cause}
    return Entry(Kind.ADJUSTMENT, f"adjustment/{node_id}/{cause}", body, postings, slot, node_id)


def gap(node_id: str, slot: int, reason: str) -> Entry:
    """A node's slot without a reading: no joule is invented for it."""
    body = {"reason": reason, "provenance": str(Provenance.MISSING)}
    return Entry(Kind.GAP, f"gap/{slot}/{node_id}", body, (), slot, node_id)


def alarm(name: str, key: str, slot: int | None, node_id: str, details: Mapping[str, Any]) -> Entry:
    """Something that must not happen, kept for people to see. Booked nowhere."""
    entry = Entry(Kind.ALARM, "alarm", {"alarm": name, **details}, (), slot, node_id)
    return Entry(
        Kind.ALARM, f"alarm/{name}/{key}/{entry.digest[:16]}", entry.body, (), slot, node_id, text=entry.text
    )


@dataclass(frozen=True, slots=True)
class Parcels:
    """Batches moved between two nodes in a slot, as the sender counted them (the receiver where it is
    silent).
    """

    owner: str
    executor: str
    batches: int
    payload_bytes: int


def parcels_of(usages: Sequence[Usage]) -> tuple[Parcels, ...]:
    """Batches moved, once per pair, from both ends' counts."""
    pairs: dict[tuple[str, str], Parcels] = {}
    for sent_first in (True, False):
        for usage in usages:
            for moved in usage.moved:
                if moved.sent is not sent_first:
                    continue
                owner, executor = (usage.node_id, moved.peer) if moved.sent else (moved.peer, usage.node_id)
                pairs.setdefault(
                    (owner, executor), Parcels(owner, executor, moved.batches, moved.payload_bytes)
                )
    return tuple(pairs[pair] for pair in sorted(pairs))


def parcel_line(
    parcels: Parcels, stage: Stage, ends: Mapping[str, tuple[str, float]], net_j_per_byte: float
) -> dict[str, Any] | None:
    """Network energy of moved batches at the mean of both ends' intensities, (D0)."""
    energy_uj = to_micro(parcels.payload_bytes * net_j_per_byte)
    if energy_uj == 0:
        return None
    (zone_i, c_i), (zone_j, c_j) = ends[parcels.owner], ends[parcels.executor]
    line = grid_line(stage, Component.NETWORK, energy_uj, (c_i + c_j) / 2, Provenance.MODELLED)
    zone = zone_i if zone_i == zone_j else f"{zone_i}+{zone_j}"
    return _row(Holder.NETWORK, zone, line)


def market_line(
    zone: str,
    body_zone: str,
    total_bytes: int,
    stage: Stage,
    intensity_g_per_kwh: float,
    net_j_per_byte: float,
) -> dict[str, Any] | None:
    """Network energy of a slot's negotiation between a zone's nodes and the coordinator."""
    energy_uj = to_micro(total_bytes * net_j_per_byte)
    if energy_uj == 0:
        return None
    line = grid_line(stage, Component.NEGOTIATION, energy_uj, intensity_g_per_kwh, Provenance.MODELLED)
    return _row(Holder.NETWORK, zone if zone == body_zone else f"{zone}+{body_zone}", line)


def own_lines(
    stage: Stage, zone: str, intensity_g_per_kwh: float, coordinator_uj: int, router_uj: int
) -> list[dict[str, Any]]:
    """The testbed's own coordinator and router."""
    parts = (
        (Holder.COORDINATOR, Component.COORDINATOR, coordinator_uj),
        (Holder.ROUTER, Component.ROUTER, router_uj),
    )
    return [
        _row(name, zone, grid_line(stage, component, energy, intensity_g_per_kwh, Provenance.MODELLED))
        for name, component, energy in parts
        if energy
    ]


def slot_end(summary: SlotSummary, lines: Sequence[Mapping[str, Any]], parcels: Sequence[Parcels]) -> Entry:
    """The end of a slot: shared lines and the summary."""
    body = {
        "summary": asdict(summary),
        "lines": [dict(line) for line in lines],
        "parcels": [asdict(parcel) for parcel in parcels],
    }
    return Entry(
        Kind.SLOT_END, f"slot_end/{summary.slot}", body, merged(line_postings(lines)), summary.slot, ""
    )


def _row(node_id: str, zone: str, line: AttributedLine) -> dict[str, Any]:
    return {
        "node_id": str(node_id),
        "zone": zone,
        "stage": str(line.stage),
        "component": str(line.component),
        "energy_uj": line.energy_uj,
        "grid_uj": line.grid_uj,
        "operational_pg": line.operational_pg,
        "provenance": str(line.provenance),
    }


def _uj(account: str, amount: int) -> Posting:
    return Posting(account, Unit.MICROJOULES, amount)
