"""Table ``lines``: energy and grams by slot, holder, zone, stage, component and provenance."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from carbon_data.units import from_micro, from_pico
from coordinator.tables.metered import line_columns
from coordinator.tables.recorded import RecordedRun, Row
from coordinator.tables.schema import LINES


def line_rows(run: RecordedRun) -> Iterable[Row]:
    """Lines of one slot, holder, zone, stage, component and provenance added up."""
    order = {node: index for index, node in enumerate(run.node_ids)}
    booked: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for (slot, _), booking in run.bookings.items():
        booked[slot].append(booking)
    for slot in sorted(run.decisions):
        sums: dict[tuple[str, ...], list[int]] = defaultdict(lambda: [0, 0, 0])
        for body in (*booked[slot], *([run.ends[slot]] if slot in run.ends else [])):
            for line in body["lines"]:
                key = tuple(line[name] for name in ("node_id", "zone", "stage", "component", "provenance"))
                for index, name in enumerate(("energy_uj", "grid_uj", "operational_pg")):
                    sums[key][index] += line[name]
        for key in sorted(sums, key=lambda key: (order.get(key[0], len(order)), key)):
            node, zone, stage, component, provenance = key
            energy_uj, grid_uj, emissions_pg = sums[key]
            yield dict(
                zip(
                    LINES.names,
                    (
                        *(slot, node, zone, stage, component),
                        *(from_micro(energy_uj), from_micro(grid_uj), from_pico(emissions_pg), provenance),
                        *line_columns(run.usage.get((slot, node)), energy_uj),
                    ),
                    strict=True,
                )
            )
