"""The page of a probe, and what the terminal shows of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
from rich.console import Console

from carbon_data.files.whole import whole_file
from experiments.fitting_table import FittingTable as Table
from experiments.probe.cost import TERMS, Cost
from experiments.probe.figures import Cell, Probe, Spread
from experiments.probe.measure import Measured
from experiments.report import units
from experiments.report.figures.base import Drawing, new_figure
from experiments.report.figures.look import look
from experiments.report.study_page import Shown, render_study
from experiments.report.style import INK, OTHER_COLOURS

PAGE, TABLE, FIGURES = "probe.html", "requests.csv", "figures"
WIDTH_IN = 6.0
EXPLAINED = (
    "Joules are those of the request above what the machine draws at rest, where the meter reads that too and it was "
    "read first (at rest, above); CPU time has no rest in it. Intervals are 95 % over the repeats (Student's t).",
    "A token in is one that the server read: those that it had read before (its prompt cache) are not counted. Its "
    "joules are the request's by the share of time that reading took, by the server's own clock where it tells it, "
    "else up to the first piece of text. The first token written comes out of reading, so that writing is the others.",
    "TREE is (bits + alpha x tokens) per joule, tokens of prompt and answer; EE is bits per joule. Bits are those of "
    "the texts of prompt and answer, as in a run; framing on the wire is many times as much and is not in them.",
    "The cost model is fitted on every other request and tried on the rest.",
)


Text = Callable[[float | None], str]


def with_ends(found: Spread | None, text: Text) -> str:
    """Mean and half of the interval."""
    if found is None or found.high is None:
        return mean_of(found, text)
    return f"{text(found.mean)} ± {text(found.high - found.mean)}"


def mean_of(found: Spread | None, text: Text) -> str:
    return units.NO_VALUE if found is None else text(found.mean)


def cells_table(probe: Probe, spread: Callable[[Spread | None, Text], str] = with_ends) -> Shown:
    """One row a length of request, the last all of them; what matters most comes first."""
    rows = []
    for cell in (*probe.cells, probe.whole):
        asked = "all" if cell.tokens_in is None else f"{cell.tokens_in} in, {cell.tokens_out} out"
        rows.append(
            [
                asked,
                str(cell.requests),
                spread(cell.energy_j, units.joules),
                spread(cell.per_token_in_j, units.joules),
                spread(cell.per_token_out_j, units.joules),
                units.bits_per_joule(cell.tree_bit_per_j),
                spread(cell.first_token_s, units.seconds),
                spread(cell.between_tokens_s, units.seconds),
                units.bits_per_joule(cell.ee_bit_per_j),
                f"{cell.prompt_tokens:.0f}",
                units.NO_VALUE if cell.cached_tokens is None else f"{cell.cached_tokens:.0f}",
                f"{cell.generated_tokens:.0f}",
            ]
        )
    columns = ["asked for", "requests", "energy", "per token in", "per token out", "TREE"]
    return Shown(
        [*columns, "first token", "between tokens", "EE", "prompt tokens", "of them cached", "tokens out"],
        rows,
    )


def cost_table(cost: Cost) -> Shown:
    names = {
        "per_request_j": "a request",
        "per_token_in_j": "a token in",
        "per_token_out_j": "a token out",
        "per_token_out_and_context_j": "a token out, for every token before it",
    }
    rows = [[names[name], units.joules(cost.terms[name])] for name in TERMS if name in cost.terms]
    if cost.mean_error_fraction is not None:
        mean, worst = (
            units.percent(value) for value in (cost.mean_error_fraction, cost.worst_error_fraction)
        )
        rows.append([f"error of {cost.held_out} requests held out", f"{mean} in the mean, {worst} at most"])
    return Shown(["share of", "joules"], rows)


@look()
def energy_by_tokens(measured: Measured, probe: Probe) -> Drawing | None:
    """Joules of every request over its tokens in, a colour for each length of answer, with the fitted model."""
    rows = [
        {
            "tokens_in": one.answer.prefilled,
            "tokens_out": one.wanted_out,
            "energy_j": one.joules.energy_j - (probe.idle_w or 0.0) * one.joules.duration_s,
        }
        for one in measured.requests
        if one.joules is not None
    ]
    if not rows:
        return None
    data = pd.DataFrame(rows)
    scale = units.joules_scale(float(data["energy_j"].max()))
    figure = new_figure(4.0, WIDTH_IN)
    axes = figure.subplots()
    for place, length in enumerate(sorted(data["tokens_out"].unique())):
        own = data[data["tokens_out"] == length].sort_values("tokens_in")
        colour = OTHER_COLOURS[place % len(OTHER_COLOURS)]
        axes.plot(
            own["tokens_in"], own["energy_j"] * scale.factor, "o", ms=5, color=colour, label=f"{length} out"
        )
        if probe.cost is not None:
            fitted = [probe.cost.joules(int(count), int(length)) * scale.factor for count in own["tokens_in"]]
            axes.plot(own["tokens_in"], fitted, lw=1.2, color=colour)
    axes.axhline(0, color=INK, lw=0.8)
    axes.set_xlabel("tokens read")
    axes.set_ylabel(f"energy of a request, {scale.unit}")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=4)
    return Drawing(
        name="energy-by-tokens",
        title="Energy by tokens",
        caption="A point a request; lines are the fitted cost model.",
        alt="Joules of each request over the tokens it read, with the fitted model as lines.",
        figure=figure,
        data=data,
    )


def lead(probe: Probe) -> str:
    """The finding in a sentence."""
    whole: Cell = probe.whole
    if whole.energy_j is None:
        return f"{whole.requests} requests, none with a reading of the meter."
    return (
        f"{whole.requests} requests: {with_ends(whole.per_token_in_j, units.joules)} a token read, "
        f"{with_ends(whole.per_token_out_j, units.joules)} a token written, "
        f"TREE {units.bits_per_joule(whole.tree_bit_per_j)}."
    )


def requests_frame(measured: Measured) -> pd.DataFrame:
    """One row a request, in base units; null is missing."""
    return pd.DataFrame(
        [
            {
                "repeat": one.repeat,
                "wanted_tokens_in": one.wanted_in,
                "wanted_tokens_out": one.wanted_out,
                "prompt_tokens": one.answer.prompt_tokens,
                "cached_tokens": one.answer.cached_tokens,
                "tokens_out": one.answer.tokens_out,
                "first_token_s": one.answer.first_s,
                "between_tokens_s": one.answer.between_s,
                "duration_s": one.answer.duration_s,
                "server_prefill_s": one.answer.prefill_s,
                "server_decode_s": one.answer.decode_s,
                "content_bits": one.answer.content_bits,
                "wire_bytes": one.answer.wire_bytes,
                "energy_j": None if one.joules is None else one.joules.energy_j,
                "half_width_j": None if one.joules is None else one.joules.half_width_j,
                "window_s": None if one.joules is None else one.joules.duration_s,
                "missing": one.missing,
            }
            for one in measured.requests
        ]
    )


def write(folder: Path, measured: Measured, probe: Probe, facts: Mapping[str, str]) -> Path:
    """Page, figure and table of requests; returns the page's path."""
    figures = folder / FIGURES
    figures.mkdir(parents=True, exist_ok=True)
    drawn = []
    if (drawing := energy_by_tokens(measured, probe)) is not None:
        svg = drawing.svg()
        drawing.save(figures, svg)
        drawn.append((drawing, svg))
    requests_frame(measured).to_csv(folder / TABLE, index=False, lineterminator="\n")
    tables = [("By length of request", cells_table(probe))]
    if probe.cost is not None:
        tables.append(("Cost model", cost_table(probe.cost)))
    page = render_study(
        "experiments.probe", lead(probe), drawn, tables, facts=list(facts.items()), explained=EXPLAINED
    )
    with whole_file(folder / PAGE) as draft:
        draft.write_text(page, encoding="utf-8")
    return folder / PAGE


def print_probe(probe: Probe, facts: Mapping[str, str], console: Console) -> None:
    """For people, at the terminal."""
    shown = [("By length of request, means", cells_table(probe, mean_of))]
    if probe.cost is not None:
        shown.append(("Cost model", cost_table(probe.cost)))
    for title, told in shown:
        table = Table(*told.columns, title=title)
        for row in told.rows:
            table.add_row(*row)
        console.print(table)
    for what, value in facts.items():
        console.print(f"{what}: {value}", markup=False, highlight=False, soft_wrap=True)
