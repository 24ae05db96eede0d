"""Energy lines of what no node meters: network, users' devices, coordinator, router. Pure.

A line is a row of a booking or of a slot's end: holder, zone, stage, component, energy, grams. Joules are bytes or
seconds times a factor; grams are (L1) at the mean intensity of both ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from carbon_data.types import Provenance
from carbon_data.units import to_micro
from coordinator.accounting.lifecycle import AttributedLine, grid_line
from protos.messages.slot import Usage, UserTraffic
from protos.messages.terms import Component, Holder, Stage

SHARED_COMPONENTS = (Component.NETWORK, Component.COORDINATOR, Component.ROUTER)
"""Components that the coordinator books itself and no node may meter."""
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class UsersEnd:
    """A node as the end that users' devices are at: their zone is its zone, their radio like its own."""

    zone: str
    intensity_g_per_kwh: float
    tx_j_per_byte: float
    rx_j_per_byte: float


def user_lines(
    users: Sequence[UserTraffic],
    at: tuple[str, float],
    ends: Mapping[str, UsersEnd],
    net_j_per_byte: float,
) -> list[Row]:
    """Energy of users' bytes beside the node's own radio, which is in its reading: the devices' radio at the
    intensity of the node they ask, the network at the mean of both ends.

    ``at``: zone and intensity of the node that answers; ``ends``: of the nodes whose users these are."""
    zone, intensity_g_per_kwh = at
    lines = []
    for traffic in users:
        end = ends[traffic.owner]
        up, down = traffic.up_bytes, traffic.down_bytes
        middle = (intensity_g_per_kwh + end.intensity_g_per_kwh) / 2
        between = _between(end.zone, zone)
        for holder, where, component, joules, intensity in (
            (Holder.DEVICES, end.zone, Component.RADIO_TX, up * end.tx_j_per_byte, end.intensity_g_per_kwh),
            (Holder.DEVICES, end.zone, Component.RADIO_RX, down * end.rx_j_per_byte, end.intensity_g_per_kwh),
            (Holder.NETWORK, between, Component.NETWORK, (up + down) * net_j_per_byte, middle),
        ):
            line = modelled_line(holder, where, traffic.stage, component, to_micro(joules), intensity)
            lines += [{**row, "users": traffic.owner} for row in line]
    return lines


def model_line(
    model_bytes: int, stage: Stage, zone: str, intensity_g_per_kwh: float, net_j_per_byte: float
) -> list[Row]:
    """Network energy of model parameters that a node received and sent."""
    energy_uj = to_micro(model_bytes * net_j_per_byte)
    return modelled_line(Holder.NETWORK, zone, stage, Component.NETWORK, energy_uj, intensity_g_per_kwh)


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
) -> list[Row]:
    """Network energy of moved batches at the mean of both ends' intensities, (D0)."""
    energy_uj = to_micro(parcels.payload_bytes * net_j_per_byte)
    (zone_i, c_i), (zone_j, c_j) = ends[parcels.owner], ends[parcels.executor]
    zone = _between(zone_i, zone_j)
    return modelled_line(Holder.NETWORK, zone, stage, Component.NETWORK, energy_uj, (c_i + c_j) / 2)


def market_line(
    zone: str,
    body_zone: str,
    total_bytes: int,
    stage: Stage,
    intensity_g_per_kwh: float,
    net_j_per_byte: float,
) -> list[Row]:
    """Network energy of a slot's negotiation between a zone's nodes and the coordinator."""
    energy_uj = to_micro(total_bytes * net_j_per_byte)
    between = _between(zone, body_zone)
    return modelled_line(
        Holder.NETWORK, between, stage, Component.NEGOTIATION, energy_uj, intensity_g_per_kwh
    )


def own_lines(
    stage: Stage, zone: str, intensity_g_per_kwh: float, coordinator_uj: int, router_uj: int
) -> list[Row]:
    """The testbed's own coordinator and router."""
    return [
        *modelled_line(
            Holder.COORDINATOR, zone, stage, Component.COORDINATOR, coordinator_uj, intensity_g_per_kwh
        ),
        *modelled_line(Holder.ROUTER, zone, stage, Component.ROUTER, router_uj, intensity_g_per_kwh),
    ]


def modelled_line(
    holder: Holder, zone: str, stage: Stage, component: Component, energy_uj: int, intensity_g_per_kwh: float
) -> list[Row]:
    """One line of grid energy that was modelled; none where there is no energy."""
    if not energy_uj:
        return []
    return [
        row(holder, zone, grid_line(stage, component, energy_uj, intensity_g_per_kwh, Provenance.MODELLED))
    ]


def _between(zone_i: str, zone_j: str) -> str:
    return zone_i if zone_i == zone_j else f"{zone_i}+{zone_j}"


def row(holder: str, zone: str, line: AttributedLine) -> Row:
    """A line as documents of the ledger hold it; ``holder``: a node, or a Holder."""
    return {
        "node_id": str(holder),
        "zone": zone,
        "stage": str(line.stage),
        "component": str(line.component),
        "energy_uj": line.energy_uj,
        "grid_uj": line.grid_uj,
        "operational_pg": line.operational_pg,
        "provenance": str(line.provenance),
    }
