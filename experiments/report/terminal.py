"""What a run or comparison shows in the terminal: functional units, reductions, then totals of the replay."""

from __future__ import annotations

from collections.abc import Callable

from experiments.fitting_table import FittingTable
from experiments.report import regret, style, units
from experiments.report.boundary import Boundary
from experiments.report.facts import duration
from experiments.report.functional import LABELS
from experiments.report.headline_tables import REPRICED, network_text, unit_means
from experiments.report.headline_tables import reductions as headline_reductions
from experiments.report.measured import total_text
from experiments.report.measures import generates, over_seeds, totals
from experiments.report.provenance import known_of
from experiments.report.read import Study

GENERATED = "tree_generated_testbed_bit_per_j"
TERMINAL_FIELDS: tuple[tuple[str, str, Callable[[float | None], str]], ...] = (
    ("accuracy", "accuracy", units.percent),
    ("tree_testbed_bit_per_j", "TREE, testbed", units.bits_per_joule),
    ("energy_j", "energy", units.joules),
    (GENERATED, "generated only", units.bits_per_joule),
    ("moved_batches", "moved", units.count),
    ("sent_j", "transferred", units.joules),
)


def functional_table(study: Study) -> FittingTable:
    """Grams per functional unit of every policy, whole testbed; nodes alone beneath."""
    table = FittingTable(
        keep=["counts", "per hour of the fleet"],
        title=f"{study.any_run.metadata['name']}: {_seeds_text(study)}",
        title_justify="left",
        caption=f"{network_text(study)} Readings: {known_of(*study).text}.",
        caption_justify="left",
    )
    table.add_column("policy", style="bold", no_wrap=True)
    table.add_column("counts", no_wrap=True)
    found = {
        (policy, boundary): unit_means(study, policy, boundary)
        for policy in study.policies
        for boundary in reversed(Boundary)
    }
    made = [name for name in LABELS if any(means[name] is not None for means in found.values())]
    for name in made:
        table.add_column(LABELS[name], justify="right", no_wrap=True)
    for (policy, boundary), means in found.items():
        first = boundary is Boundary.TESTBED
        table.add_row(
            style.policy_label(policy) if first else "",
            boundary.label,
            *(units.grams(means[name]) for name in made),
            style="green" if policy == _best(study) else None,
            end_section=not first,
        )
    return table


def reductions_table(study: Study) -> FittingTable | None:
    """Reductions for nodes alone and for the whole testbed with their intervals; None without a baseline."""
    found = headline_reductions(study)
    if found is None:
        return None
    table = FittingTable(
        keep=["against", "whole testbed"],
        title="Reductions [95 % of boards, network factor, intensity and seeds]"
        if len(study.seeds) > 1
        else "Reductions [95 % of boards, network factor and intensity; one seed]",
        title_justify="left",
        caption=REPRICED,
        caption_justify="left",
    )
    for column in found.columns[:4]:
        table.add_column(column.label, justify="left" if not column.is_number else "right", no_wrap=True)
    for row in found.rows():
        table.add_row(*(text for text, _, _ in row[:4]))
    return table


def totals_table(study: Study) -> FittingTable:
    """Totals of the replay: rows are policies; a column whose figures do not exist is left out rather than filled."""
    run = study.any_run
    slots, step = int(run.tables["slots"]["slot"].nunique()), float(run.metadata["trace_step_s"])
    replayed, on_boards = duration(slots * step), duration(run.board_s)
    table = FittingTable(
        keep=["emissions", "emissions ± sd"],
        title=f"Totals of the replay ({replayed} of traces in {on_boards} of board time)",
        title_justify="left",
        caption=total_text(study) or None,
        caption_justify="left",
    )
    table.add_column("policy", style="bold", no_wrap=True)
    table.add_column(
        "emissions" if len(study.seeds) == 1 else "emissions ± sd", justify="right", no_wrap=True
    )
    regrets = {policy: regret.mean_regret_g(study, policy) for policy in study.policies}
    bounded = any(value is not None for value in regrets.values())
    gains = {policy: regret.mean_captured_gain(study, policy) for policy in study.policies}
    captured = bounded and any(value is not None for value in gains.values())
    if bounded:
        table.add_column("regret", justify="right", no_wrap=True)
    if captured:
        table.add_column("captured", justify="right", no_wrap=True)
    fields = [item for item in TERMINAL_FIELDS if item[0] != GENERATED or generates(study)]
    for _, label, _ in fields:
        table.add_column(label, justify="right", no_wrap=True)
    for policy in study.policies:
        cells = [units.spread(over_seeds(study, policy, "emissions_g"), units.grams_scale)]
        if bounded:
            value = regrets[policy]
            cells.append(units.NO_VALUE if value is None else units.grams(value.mean))
        if captured:
            value = gains[policy]
            cells.append(units.NO_VALUE if value is None else units.percent(value.mean))
        for field, _, text in fields:
            value = over_seeds(study, policy, field)
            cells.append(units.NO_VALUE if value is None else text(value.mean))
        table.add_row(style.policy_label(policy), *cells, style="green" if policy == _best(study) else None)
    return table


def _seeds_text(study: Study) -> str:
    return f"{len(study.seeds)} paired seeds" if len(study.seeds) > 1 else f"seed {study.seeds[0]}, no spread"


def _best(study: Study) -> str | None:
    """The policy of a comparison that emitted least, of those that did all work."""
    if not study.is_comparison or len(study.policies) < 2:
        return None
    every = {policy: [totals(run) for run in runs.values()] for policy, runs in study.runs.items()}
    whole = [
        p for p, ones in every.items() if not any(o.unselected_batches or o.unserved_batches for o in ones)
    ]
    return min(whole, key=lambda p: (sum(one.emissions_g for one in every[p]), p), default=None)
