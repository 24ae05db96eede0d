"""Everything that was assumed, in words, from the constants and profiles themselves."""

from __future__ import annotations

from collections.abc import Sequence

from edge_node.energy.boards import load_board
from edge_node.energy.transport import load_transport
from experiments.report.units import percent
from experiments.studies.fei import energy, fig5, market, placement
from experiments.studies.fei.spec import (
    MODELS,
    REFERENCE_BATCHES,
    REFERENCE_SERVERS,
    SEEDED,
    ZONES,
    Effort,
    Reduction,
)

Pairs = list[tuple[str, str]]


def study_assumptions(effort: Effort, world: placement.Intensities, data_used: Sequence[str]) -> Pairs:
    """Name and text of every assumption of the study."""
    rates = ", ".join(f"{m.name} {m.learning_rate:g}" for m in MODELS)
    found: Pairs = [
        ("Effort", _effort(effort)),
        ("Data", "; ".join(data_used)),
        (
            "Learning",
            f"FedAvg, all servers every round, plain SGD, learning rates {rates}, equal shares (images drawn at "
            "random, text in contiguous passages); "
            f"{effort.train_seeds} seeds for the reference rows of {' and '.join(SEEDED)}, one for all others; the "
            "paper reports none of these",
        ),
        (
            "Targets",
            "97.5 % for images (paper); for text "
            f"{percent(MODELS[-1].target_fraction)} next-character accuracy, since the paper reports none",
        ),
        ("Reference readings", f"servers: {REFERENCE_SERVERS}; E and B: {REFERENCE_BATCHES}"),
        (
            "Calibration",
            "one row per model, reading of E and B, and size of training (whole or scaled), that of most rounds, sets "
            "the effective FLOP/s of the board (E = busy power x operations / speed), for each training seed its own; "
            "powers are the profile's; all other rows are predictions",
        ),
        (
            "Rounds",
            "synchronous; transfers at "
            f"{energy.LINK_BYTES_PER_S / 1e6:g} MB/s; servers draw static power while they wait; one server alone "
            "neither sends nor waits",
        ),
        (
            "Application",
            f"{energy.REQUESTS_PER_SERVER:,} requests per edge server; the paper reports no load",
        ),
        ("Intensity", f"{world.source}, average, life-cycle; zones {', '.join(world.zones)}{_chosen(world)}"),
        (
            "Placement",
            "sorted: lowest zone first, coordinator in the lowest, an eleventh edge server again in the lowest; "
            "random: every board drawn uniformly, expected value exact, "
            f"{placement.RANDOM_DRAWS:,} draws for its range",
        ),
        (
            "Fig. 5, work",
            f"batches of the trained {fig5.MODEL} cell with as many edge servers; every server busy with its own work "
            f"for {percent(market.BUSY_FRACTION, 0)} of each of {market.SLOTS} hourly slots from "
            f"{market.FIRST_HOUR_UTC}:00 UTC",
        ),
        (
            "Fig. 5, energy",
            f"{market.REFERENCE_PANEL_W:g} W of panels per server at its zone's site (pvlib, seeded clouds; "
            "chosen to reach 74.9 %: the smallest panel of the surface whose mean harvest, about two thirds of demand, "
            "covers what 74.9 % needs "
            f"beside the caps, note 6), battery {market.BATTERY_WH:g} Wh, 95 % each way, empty at the start, worth "
            f"nothing at the end; transfers lose {percent(market.REFERENCE_LOSS_FRACTION, 0)} and are accounted ones "
            "between sites",
        ),
        (
            "Fig. 5, seeds",
            f"{effort.days} paired seeds ({effort.seeds} for the surface) set the clouds and the order of zones; "
            f"their days are {', '.join(str(market.day_of_year(k) + 1) for k in range(effort.days))} of 365, "
            "golden-ratio steps from a drawn one, so that they differ and are spread over the seasons; policies "
            "know the whole day",
        ),
        (
            "Surface",
            f"{fig5.SURFACE_SERVERS} servers, optimum over the day with fractional batches; where nodes may sleep, a "
            "plan found and a bound that no plan can beat, both from linear programs (no wall clock enters)",
        ),
        ("Not counted", "meters; the router is a column of Table I here and in nobody's total"),
    ]
    board = load_board("raspberry-pi-4b").sources()
    transport = load_transport(energy.TRANSPORT)
    found += [(f"Board, {name}", text) for name, text in board.items() if name != "effective_flop_per_s"]
    found.append(("Network", f"{transport.value:g} {transport.unit}: {transport.source}"))
    return found


def _chosen(world: placement.Intensities) -> str:
    """What the study's own zones were chosen by."""
    return ", chosen to fit the g/kWh that Table I implies (note 9)" if world.zones == ZONES else ""


def _effort(effort: Effort) -> str:
    parts = []
    for (model, reading), reduction in (*effort.trainings.items(), *effort.scaled.items()):
        which = "" if len(reduction.readings) > 1 else f", servers: {reduction.readings[0]}"
        if not reduction.is_scaled:
            parts.append(f"{model}, {reading}{which}: trained at the paper's size")
            continue
        parts.append(
            f"{model}, {reading}{which}: scaled from {reduction.examples_fraction:.3g} of the examples"
            + (f", {reduction.epochs} of 50 epochs" if reading is not REFERENCE_BATCHES else "")
            + (f", to {percent(reduction.target_fraction)}" if reduction.target_fraction else "")
            + f", rows {', '.join(map(str, reduction.servers))}"
            + _before(reduction)
        )
    if effort.uses_shipped:
        parts.append(
            "rows of the paper's size from trainings that ship with the package, where there are any"
        )
    return f"{effort.name}. " + "; ".join(parts)


def _before(reduction: Reduction) -> str:
    if reduction.live is None:
        return ""
    rows = ", ".join(map(str, reduction.live)) or "none"
    return f" (trained by this study: {rows}; the others before, as shipped)"
