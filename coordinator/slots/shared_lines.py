"""The lines that a slot's end books: parcels, the market's messages, coordinator and router. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from carbon_data.units import to_micro
from coordinator.slots.books import Books
from coordinator.slots.lines import Parcels, Row, market_line, own_lines, parcel_line
from coordinator.slots.state import SlotState
from protos.messages.runner import EndSlot


def shared_lines(
    books: Books, slot: SlotState, request: EndSlot, parcels: Sequence[Parcels], lasted_s: float | None = None
) -> list[Row]:
    """Lines of the slot that no node's booking holds. ``lasted_s``: how long it was; None: as configured."""
    config, body = books.config, books.config.body
    slot_s = config.slot_s if lasted_s is None else lasted_s
    net, ends = config.limits.net_j_per_byte, books.zones_in(slot)
    work_j = (
        request.aggregated_parameters * body.joules_per_aggregated_parameter
        + request.evaluated_examples * body.joules_per_evaluated_example
    )
    coordinator_uj = to_micro(body.static_w * slot_s + work_j)
    router_uj = to_micro(body.router_w * slot_s)
    at_body = books.intensity_g_per_kwh[body.zone][slot.slot]
    return [
        *(line for p in parcels for line in parcel_line(p, slot.stage, ends, net)),
        *_market_lines(books, slot, at_body),
        *own_lines(slot.stage, body.zone, at_body, coordinator_uj, router_uj),
    ]


def _market_lines(books: Books, slot: SlotState, at_body_g_per_kwh: float) -> list[Row]:
    """Network energy of the slot's negotiation, by zone, at the mean intensity of both ends. The nodes' radios are in
    their own readings."""
    if slot.market is None:
        return []
    by_zone: dict[str, int] = {}
    for side in ("down_bytes", "up_bytes"):
        for node, size in slot.market[side].items():
            zone, _ = books.zone_in(slot, node)
            by_zone[zone] = by_zone.get(zone, 0) + size
    body, net = books.config.body.zone, books.config.limits.net_j_per_byte
    lines: list[Row] = []
    for zone, size in sorted(by_zone.items()):
        middle = (books.intensity_g_per_kwh[zone][slot.slot] + at_body_g_per_kwh) / 2
        lines += market_line(zone, body, size, slot.stage, middle, net)
    return lines
