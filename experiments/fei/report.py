"""The report of a reproduction: one self-contained page, its figures as SVG and PDF, its tables as CSV."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.progress import track

from experiments.fei import fig5
from experiments.fei.claims import Judgement, Verdict
from experiments.fei.fig4 import STAGES
from experiments.fei.spec import BatchReading, ServerReading
from experiments.report.figures.base import Drawing
from experiments.report.html import TEMPLATES
from experiments.report.svg import inline_svg
from experiments.report.tables import Column, Table
from experiments.report.units import NO_VALUE, missing, number, percent, trimmed

HERE = Path(__file__).parent


@dataclass
class Section:
    """A part of the page."""

    id: str
    title: str
    lead: str
    figures: list[list[Drawing]] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)


@dataclass
class Page:
    """All that a page says."""

    title: str
    kicker: str
    claims: dict[str, Judgement]
    sections: list[Section]
    notes: pd.DataFrame
    assumptions: list[tuple[str, str]]
    notices: list[dict[str, str]]
    command: str
    origins: list[tuple[str, str]]
    cost: list[tuple[str, str]]
    extra_tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    """CSV only."""


def write(page: Page, folder: Path, console: Console | None = None) -> Path:
    """Write report.html, figures/ and tables/ into ``folder``; returns the page's path. ``console``: for progress."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    figures, tables = folder / "figures", folder / "tables"
    figures.mkdir(parents=True, exist_ok=True)
    tables.mkdir(exist_ok=True)
    svg = {}
    drawings = [d for section in page.sections for group in section.figures for d in group]
    shown = console if console is not None else Console(quiet=True)
    for drawing in track(drawings, "drawing", console=shown):
        text = drawing.svg()
        drawing.save(figures, text)
        svg[drawing.name] = Markup(inline_svg(drawing, text))
        drawing.data.to_csv(tables / f"figure-{drawing.name}.csv", index=False, lineterminator="\n")
    for table in (t for section in page.sections for t in section.tables):
        table.write(tables)
    claims = {name: judgement.as_dict() for name, judgement in page.claims.items()}
    records = [{"claim": name, **values} for name, values in claims.items()]
    for name, frame in {
        "claims": pd.DataFrame(records),
        "inconsistencies": page.notes,
        **page.extra_tables,
    }.items():
        frame.to_csv(tables / f"{name}.csv", index=False, lineterminator="\n")
    environment = Environment(
        loader=FileSystemLoader([HERE, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template("report.html.j2").render(
        css=Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")),
        js=Markup((TEMPLATES / "report.js").read_text(encoding="utf-8")),
        svg=svg,
        title=page.title,
        kicker=page.kicker,
        sentence=sentence(page.claims),
        cards=_cards(page.claims),
        notices=page.notices,
        claims=claims,
        sections=page.sections,
        notes=page.notes.to_dict("records"),
        assumptions=page.assumptions,
        command=page.command,
        origins=page.origins,
        cost=page.cost,
    )
    path = folder / "report.html"
    draft = folder / ".report.html.part"
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
    return path


def count(claims: dict[str, Judgement], verdict: Verdict) -> int:
    return sum(judgement.verdict is verdict for judgement in claims.values())


def sentence(claims: dict[str, Judgement]) -> str:
    """The headline."""
    return (
        f"Of {len(claims)} tests of the paper's claims {count(claims, Verdict.MET)} are met, "
        f"{count(claims, Verdict.NOT_MET)} are not, and {count(claims, Verdict.NOT_DECIDABLE)} cannot be decided "
        "at this effort."
    )


def _cards(claims: dict[str, Judgement]) -> list[dict[str, str]]:
    notes = {
        Verdict.MET: "as the paper says, by a stated rule",
        Verdict.NOT_MET: "ours contradicts, or does not show it",
        Verdict.NOT_DECIDABLE: "too few rows, or an interval across the limit",
    }
    return [
        {"value": str(count(claims, verdict)), "label": str(verdict), "note": note}
        for verdict, note in notes.items()
    ]


def _three(value: float) -> str:
    return number(value)


def _two(value: float) -> str:
    return NO_VALUE if missing(value) else f"{value:.2f}"


def _thousand(value: float) -> str:
    """kWh as Wh."""
    return number(1000.0 * value)


def _setting(value: float) -> str:
    """A fraction that is a setting: whole percent."""
    return percent(value, 0)


def _one(value: float) -> str:
    return NO_VALUE if missing(value) else f"{value:.1f}"


def _percent(value: float) -> str:
    return percent(value)


def _whole(value: float) -> str:
    return NO_VALUE if missing(value) else f"{value:.0f}"


_SHORT = {
    str(BatchReading.AS_PRINTED): "50 epochs",
    str(BatchReading.BATCH_50): "batch 50",
    str(ServerReading.EDGES): "n",
    str(ServerReading.WITH_COORDINATOR): "n \u2212 1",
}
"""Readings in few words, for narrow columns."""
_READINGS = (
    "Readings: 50 epochs of mini-batches of B, or B mini-batches of 50, a round; n or n \u2212 1 edge servers, n being "
    "the column # of Servers. "
)


def _reading(frame: pd.DataFrame) -> pd.Series[str]:
    """Both readings of a row in one column."""
    return frame["reading_e_b"].map(_SHORT) + ", " + frame["reading_servers"].map(_SHORT)


def table1(frame: pd.DataFrame) -> Table:
    """Table I side by side, rows that were trained; all rows in the CSV."""
    shown = frame.assign(
        how=frame["basis"].str.partition(":")[0],
        reading=_reading(frame),
    )
    trained = shown[shown["ours_kwh"].notna()]
    return Table(
        name="table1",
        caption="Table I: paper, ours and ratio, in every reading that was trained",
        frame=frame,
        columns=(
            Column("model", "model", is_number=False),
            Column("reading", "reading", is_number=False),
            Column("servers", "n", _whole),
            Column("rounds", "rounds", _whole),
            Column("implied_rounds", "implied", _one),
            Column("how", "origin", is_number=False),
            Column("paper_kwh", "paper, Wh", _thousand),
            Column("ours_kwh", "ours, Wh", _thousand),
            Column("ratio_kwh", "ratio", _two),
            Column("paper_g", "paper, g", _three),
            Column("sorted_g", "sorted, g", _three),
            Column("ratio_g", "ratio", _two),
            Column("random_mean_g", "random, g", _three),
        ),
        note=(
            _READINGS
            + "Ratio: ours over the paper's; the energy of the row of most rounds is calibrated, all else "
            "predicted. Implied: the rounds at which our energy would be the paper's. Measured: trained on this "
            "machine at the paper's size; shipped: so trained earlier, and part of the package; scaled: see the "
            "effort under Assumptions. "
            f"{len(frame) - len(trained)} of {len(frame)} rows are missing; the CSV has them with the reason and "
            "their cost under --full, and for every row the "
            "95 % range of random placements, the range over starting hours, the duration, and the coordinator's and "
            "router's energy. " + _text_models(trained)
        ),
        shown=trained,
    )


def _text_models(trained: pd.DataFrame) -> str:
    """Accuracy and perplexity of the text model where its trainings ended."""
    part = trained[trained["perplexity"].notna()]
    if part.empty:
        return ""
    rows = [
        f"{percent(row['accuracy_fraction'])} and {number(row['perplexity'])} at n = {row['servers']}"
        for row in part.to_dict("records")
    ]
    return "Next-character accuracy and perplexity of the LSTM at its last round: " + ", ".join(rows) + "."


def errors(frame: pd.DataFrame) -> Table:
    """Errors of the predictions."""
    return Table(
        name="errors",
        caption="Errors of the predicted rows, |ours / paper - 1|",
        frame=frame,
        shown=frame.assign(reading=_reading(frame)),
        columns=(
            Column("model", "model", is_number=False),
            Column("reading", "reading", is_number=False),
            Column("rows_predicted", "rows", _whole),
            Column("mean_error_kwh_fraction", "kWh, mean", _percent),
            Column("worst_error_kwh_fraction", "kWh, worst", _percent),
            Column("mean_error_g_fraction", "g, mean", _percent),
            Column("worst_error_g_fraction", "g, worst", _percent),
            Column("calibrated_on_servers", "calibrated on n", _whole),
            Column("calibrated_on_rounds", "its rounds", _whole),
            Column("effective_gflop_per_s", "GFLOP/s", _three),
        ),
        note=(
            _READINGS
            + "Grams: sorted placement. GFLOP/s: the calibrated speed, a test of the reading (the board's peak is 48). "
            "Rounds are whole: r rounds of the calibrated row leave its work anywhere in (r - 1, r], so with few of "
            "them all predictions of a block share an error of up to one round in r."
        ),
    )


def calibrations(frame: pd.DataFrame) -> Table:
    """Errors of each block by the row that calibrates it."""
    wide = frame.assign(
        reading=_reading(frame),
        text=[percent(v, 0) for v in frame["mean_error_kwh_fraction"]],
    ).pivot(index=["model", "reading"], columns="calibrated_on_servers", values="text")
    wide.columns = [f"n{n}" for n in wide.columns]
    return Table(
        name="calibrations",
        caption="Mean error in energy of the other rows, by the row that calibrates",
        frame=frame,
        shown=wide.reset_index(),
        columns=(
            Column("model", "model", is_number=False),
            Column("reading", "reading", is_number=False),
            *(Column(name, f"n = {name[1:]}", str) for name in wide.columns),
        ),
        note="Table I uses the column of the row of most rounds, named above, whatever its error. Rounds are whole: a "
        "row of one or two says little about the speed, and shows here as a column of large errors.",
    )


def scaling(check: pd.DataFrame) -> Table:
    """How well scaling predicts trainings that are known."""
    return Table(
        name="scaling",
        caption="Scaling checked: small trainings against trainings of the paper's size",
        frame=check,
        shown=check.assign(reading=_reading(check)),
        columns=(
            Column("model", "model", is_number=False),
            Column("reading", "reading", is_number=False),
            Column("servers", "n", _whole),
            Column("trained_rounds", "rounds, trained", _whole),
            Column("scaled_rounds", "rounds, small training", _whole),
            Column("trained_kwh", "kWh, trained", _three),
            Column("scaled_kwh", "kWh, scaled", _three),
            Column("error_fraction", "error", _percent),
        ),
        note=(
            "Both calibrated on their own row of most rounds, left out where it is the same; the error is that "
            f"of the ratios of rounds, {percent(float(check['error_fraction'].abs().mean()), 0)} on average. It is how "
            "far to trust rows marked scaled."
        ),
    )


def stages(shares: pd.DataFrame) -> Table:
    """Fig. 4's figures: one row per servers and target on the page, one per stage in the CSV."""
    key = ["servers", "target_fraction"]
    text = shares.assign(
        text=[
            NO_VALUE if missing(g) else number(g) + (f" ({percent(share)})" if not missing(share) else "")
            for g, share in zip(shares["sorted_g"], shares["share_fraction"], strict=True)
        ]
    )
    wide = text.pivot(index=key, columns="stage", values="text")
    grams = text.pivot(index=key, columns="stage", values="sorted_g").add_suffix(" g")
    columns = [Column("servers", "servers", _whole), Column("target_fraction", "target", _percent)]
    columns += [Column(stage, f"{stage}, g (share)", str, sort=f"{stage} g") for stage in STAGES]
    return Table(
        "stages",
        "Emissions by stage, sorted placement, edge servers only",
        shares,
        tuple(columns),
        shown=wide.join(grams).reset_index(),
    )


def surface(means: pd.DataFrame) -> Table:
    """The surface, highest reduction against LOCAL first."""
    records = means.to_dict("records")
    shown = means.assign(
        grid=[fig5.known(record, "grid") for record in records],
        local=[fig5.known(record, "local") for record in records],
        nodes=["sleep" if s else "awake" for s in means["sleep"]],
        alone=[
            ("≤ " if record["sleep"] else "") + percent(record["alone_bound_fraction"]) for record in records
        ],
    ).sort_values("against_local_fraction", ascending=False)
    return Table(
        name="surface",
        caption="DETA's reduction at ten servers, mean over seeds with 95 % interval; from plan to bound with sleep",
        frame=means,
        columns=(
            Column("panel_w", "panel, W", trimmed),
            Column("harvest_to_demand", "harvest / demand", _two),
            Column("loss_fraction", "loss", _setting),
            Column("cap_fraction", "caps", _setting),
            Column("deadline_slots", "slack, slots", _whole),
            Column("nodes", "nodes", is_number=False),
            Column("grid", "against GRID", str, sort="against_grid_fraction"),
            Column("local", "against LOCAL", str, sort="against_local_fraction"),
            Column("alone", "LOCAL-LP", str, sort="alone_bound_fraction"),
        ),
        note=(
            "LOCAL-LP: reduction against LOCAL when it plans each node alone with the same slack: what battery "
            "planning and slack, and sleep, bring without any exchange (≤: at most). Where nodes may sleep, "
            '"x to y %" is the reduction of the plan found and the most that any plan can reach; the interval runs '
            "from the lower end of the first to the upper end of the second. More than "
            f"{percent(fig5.UNDECIDED_FRACTION, 0)} apart they leave it undecided. The CSV has both with the interval "
            "of each; a slot is an hour."
        ),
        shown=shown,
    )
