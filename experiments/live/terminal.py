"""The run in a terminal: what the page shows, in as many rows as there are."""

from __future__ import annotations

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from experiments.live.picture import NodePicture, Picture
from experiments.live.told import by_node
from experiments.live.watched import Standing, Watched
from experiments.report.units import grams, joules

FAULTS = 3
"""Newest faults that have a line."""
ROWS_BESIDE_NODES = 12
"""Lines of the terminal that nodes do not get."""
COLOURS = {
    Standing.RUNNING: "green",
    Standing.FINISHED: "green",
    Standing.FAILED: "red",
    Standing.BROKEN_OFF: "yellow",
    Standing.WAITING: "yellow",
}


def screen(watched: Watched, height: int, width: int) -> RenderableType:
    """All of it, for a terminal of ``height`` rows and ``width`` columns."""
    picture = watched.picture
    parts: list[RenderableType] = [
        Text.assemble(
            (watched.name, "bold"),
            "  ",
            (str(watched.standing), COLOURS[watched.standing]),
            f"  {picture.config.get('policy', '')}  {picture.stage}",
        ),
        Text(headline(picture)),
        Columns([ProgressBar(total=max(1, picture.slots), completed=picture.ended, width=min(width, 60))]),
    ]
    if picture.nodes:
        parts.append(_nodes(picture, max(3, height - ROWS_BESIDE_NODES - FAULTS), width))
    parts.append(Text(_flows(picture), overflow="ellipsis", no_wrap=True))
    for fault in picture.faults[-FAULTS:]:
        parts.append(Text(fault_line(fault), style="yellow", overflow="ellipsis", no_wrap=True))
    return Group(*parts)


def headline(picture: Picture) -> str:
    """One line: where the run is, and what it has used."""
    latest = max(picture.evaluations, default=None)
    accuracy = "" if latest is None else f", accuracy {picture.evaluations[latest]['accuracy_fraction']:.1%}"
    slot = "no slot yet" if picture.slot is None else f"slot {picture.ended} of {picture.slots} closed"
    return (
        f"{slot}, {grams(picture.emissions_g)} CO2e, {joules(picture.energy_j)} used, {joules(picture.grid_j)} of it "
        f"from the grid{accuracy}, {picture.fault_count} faults"
    )


def fault_line(fault: dict[str, object]) -> str:
    where = "" if fault["slot"] is None else f"slot {fault['slot']} "
    return f"{where}{fault['node'] or ''}: {fault['text']}".strip(": ")


def _nodes(picture: Picture, rows: int, width: int) -> Table:
    emitted, _ = by_node(picture)
    wide = width >= 78
    table = Table(box=None, pad_edge=False, expand=False)
    table.add_column("node", no_wrap=True)
    for name in ("zone", *(("g/kWh",) if wide else ()), "battery", "used", "green", "batches", "CO2e"):
        table.add_column(name, justify="left" if name == "zone" else "right", no_wrap=True)
    nodes = sorted(picture.nodes.values(), key=lambda node: (-emitted[node.node_id], node.node_id))
    for node in sorted(nodes[:rows], key=lambda node: node.node_id):
        table.add_row(*_row(picture, node, emitted[node.node_id], wide))
    if len(nodes) > rows:
        table.add_row(f"and {len(nodes) - rows} more", *[""] * (len(table.columns) - 1))
    return table


def _row(picture: Picture, node: NodePicture, emitted_g: float, wide: bool) -> list[str]:
    intensity = picture.intensity_of(node.zone, picture.slot)
    battery = f"{node.battery_j / node.capacity_j:.0%}" if node.capacity_j else ""
    if node.demand_j is None or node.green_j is None:
        used, green = "no reading", ""
    else:
        used = joules(node.demand_j)
        green = f"{node.green_j / node.demand_j:.0%}" if node.demand_j else ""
    name = node.node_id if node.awake is not False else f"{node.node_id} (asleep)"
    shown = "" if intensity is None else f"{intensity:.0f}"
    return [
        name, node.zone, *([shown] if wide else []), battery, used, green, str(node.batches), grams(emitted_g)
    ]  # fmt: skip


def _flows(picture: Picture) -> str:
    if picture.flows_slot is None:
        return "nothing moved yet" if picture.nodes else ""
    batches = sum(amount for *_, amount in picture.batch_flows)
    arrived_j = sum(amount for *_, amount in picture.energy_flows)
    pairs = ", ".join(f"{owner}>{runs} {count}" for owner, runs, count in picture.batch_flows[:8])
    return f"moved in slot {picture.flows_slot}: {batches} batches, {joules(arrived_j)} arrived" + (
        f" ({pairs})" if pairs else ""
    )
