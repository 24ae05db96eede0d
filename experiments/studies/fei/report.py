"""The report of a reproduction: one self-contained page, its figures as SVG and PDF, its tables as CSV."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from rich.console import Console

from carbon_data.files.whole import whole_file
from experiments.progress import progress_bar
from experiments.report.claims.shown import NO_FIGURE, ClaimGroup, Reading, ShownClaim, verdict_counts
from experiments.report.figures.base import Drawing
from experiments.report.html import TEMPLATES
from experiments.report.svg import inline_svg
from experiments.report.tables import Column, Table
from experiments.report.units import NO_VALUE, missing, number, percent, trimmed
from experiments.run_folder.files import FIGURES, REPORT, TABLES
from experiments.studies.fei import fig5
from experiments.studies.fei.claims.judgement import About, Judgement, Verdict
from experiments.studies.fei.energy import REQUESTS_PER_SERVER
from experiments.studies.fei.fig4 import MODEL, STAGES
from experiments.studies.fei.spec import REFERENCE_BATCHES, REFERENCE_SERVERS, BatchReading, ServerReading

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
    by_reading: pd.DataFrame | None = None
    """Verdicts in every reading; None where no claim has several."""
    extra_tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    """CSV only."""


def write(page: Page, folder: Path, console: Console | None = None) -> Path:
    """Write report.html, figures/ and tables/ into ``folder``; returns the page's path. ``console``: for progress."""
    figures, tables = folder / FIGURES, folder / TABLES
    figures.mkdir(parents=True, exist_ok=True)
    tables.mkdir(exist_ok=True)
    svg = {}
    drawings = [d for section in page.sections for group in section.figures for d in group]
    with progress_bar(console) as bar:
        for drawing in bar.track(drawings, description="drawing"):
            text = drawing.svg()
            drawing.save(figures, text)
            svg[drawing.name] = Markup(inline_svg(drawing, text))
            drawing.data.to_csv(tables / f"figure-{drawing.name}.csv", index=False, lineterminator="\n")
    for table in (t for section in page.sections for t in section.tables):
        table.write(tables)
    groups = claim_groups(page.claims, page.by_reading)
    records = [{"claim": name, **_flat(one)} for name, one in page.claims.items()]
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
        claims_css=Markup((TEMPLATES / "claims.css").read_text(encoding="utf-8")),
        claims_js=Markup((TEMPLATES / "claims.js").read_text(encoding="utf-8")),
        claims=groups,
        claim_counts=verdict_counts(groups),
        sections=page.sections,
        notes=page.notes.to_dict("records"),
        assumptions=page.assumptions,
        command=page.command,
        origins=page.origins,
        cost=page.cost,
    )
    path = folder / REPORT
    with whole_file(path) as draft:
        draft.write_text(text, encoding="utf-8")
    return path


SET_UP = "Set-up"
PARTS = {
    "parameters": SET_UP,
    "energy": "Table I and Figure 3",
    "carbon": "Table I and Figure 3",
    "cnn": "Table I and Figure 3",
    "stage": "Figure 4",
    "higher": "Figure 4",
    "det": "Figure 5",
    "dat": "Figure 5",
    "deta": "Figure 5",
}
"""First word of a claim's key -> the part of the paper that it is of."""


def claim_groups(claims: dict[str, Judgement], by_reading: pd.DataFrame | None) -> tuple[ClaimGroup, ...]:
    """Claims as the page shows them, by part of the paper. ``by_reading``: as ``every_reading`` makes it, or None."""
    groups: dict[str, list[ShownClaim]] = {}
    for key, one in claims.items():
        folded = [("Paper", one.paper), ("Found", one.ours), ("Rule", one.rule)]
        folded += [("Reason", one.why)] if one.why else []
        folded += [("By construction", one.by_construction)] if one.by_construction else []
        notes = [] if one.about is About.CLAIM else [str(one.about)]
        notes += ["by construction"] if one.by_construction else []
        shown = ShownClaim(
            key=key,
            sentence=one.sentence,
            verdict=str(one.verdict),
            figure=one.figure,
            ours=one.ours,
            note=" · ".join(notes),
            without="not in the paper" if one.about is About.ADDED else NO_FIGURE,
            folded=tuple(folded),
            readings=_other_readings(key, by_reading),
        )
        groups.setdefault(PARTS[key.partition("-")[0]], []).append(shown)
    order = sorted(groups, key=lambda title: title == SET_UP)  # what is no claim comes last
    return tuple(ClaimGroup(title, tuple(groups[title])) for title in order)


def _other_readings(key: str, by_reading: pd.DataFrame | None) -> tuple[Reading, ...]:
    if by_reading is None:
        return ()
    own = by_reading[(by_reading["claim"] == key) & ~by_reading["is_reference"].astype(bool)]
    names = _reading(own)
    return tuple(
        Reading(name, row["verdict"], row["ours"])
        for name, row in zip(names, own.to_dict("records"), strict=True)
    )


def _flat(one: Judgement) -> dict[str, Any]:
    """A claim as a row of a table: its figure in columns of their own."""
    row = one.as_dict()
    figure = row.pop("figure") or {}
    return row | {
        f"figure_{name}": figure.get(name)
        for name in (
            "what",
            "kind",
            "unit",
            "ours",
            "low",
            "high",
            "interval",
            "paper",
            "at_least",
            "at_most",
        )
    }


def count(claims: dict[str, Judgement], verdict: Verdict, about: About = About.CLAIM) -> int:
    """Tests of one kind with one verdict."""
    return sum(one.verdict is verdict and one.about is about for one in claims.values())


def sentence(claims: dict[str, Judgement]) -> str:
    """The headline: the paper's claims, and apart from them what else is tested."""
    kinds = {kind: sum(one.about is kind for one in claims.values()) for kind in About}
    said = (
        f"Of {kinds[About.CLAIM]} tests of the paper's claims {count(claims, Verdict.MET)} are met, "
        f"{count(claims, Verdict.NOT_MET)} are not, and {count(claims, Verdict.NOT_DECIDABLE)} cannot be decided "
        "at this effort."
    )
    besides = [
        f"{count(claims, Verdict.MET, kind)} of {kinds[kind]} {words}"
        for kind, words in (
            (About.SETUP, "parameter counts that the paper prints"),
            (About.ADDED, "tests on recycling, of which the paper has no figure"),
        )
        if kinds[kind]
    ]
    return f"{said} Not counted there, and met: {'; '.join(besides)}." if besides else said


def _cards(claims: dict[str, Judgement]) -> list[dict[str, str]]:
    notes = {
        Verdict.MET: "as the paper says, by a stated rule",
        Verdict.NOT_MET: "ours contradicts, or does not show it",
        Verdict.NOT_DECIDABLE: "too few rows, seeds that disagree, scaling, or an interval across the limit",
    }
    return [
        {"value": str(count(claims, verdict)), "label": f"claims {verdict}", "note": note}
        for verdict, note in notes.items()
    ]


_one, _two, _whole = "{:.1f}".format, "{:.2f}".format, "{:.0f}".format


def _thousand(value: float) -> str:
    """kWh as Wh."""
    return number(1000.0 * value)


def _setting(value: float) -> str:
    """A fraction that is a setting: whole percent."""
    return percent(value, 0)


_MODEL = Column("model", "model", is_number=False)
_READ = (_MODEL, Column("reading", "reading", is_number=False))
_SIZE = Column("size", "size", is_number=False)
_N = Column("servers", "n", _whole)
_ROUNDS = Column("rounds", "rounds", _whole)
_RATE = Column("rate", "learning rate", str, sort="learning_rate")
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


_SIZES = (
    "Size: whole rows are of the paper's size, scaled ones come from smaller trainings; a model and reading with both "
    "has two blocks, each calibrated on a row of its own. "
)


def _reading(frame: pd.DataFrame) -> pd.Series[str]:
    """Both readings of a row in one column."""
    return frame["reading_e_b"].map(_SHORT) + ", " + frame["reading_servers"].map(_SHORT)


def readings(frame: pd.DataFrame) -> Table:
    """Verdicts on Table I in all four readings, a claim a row."""
    reading = _reading(frame)
    wide = frame.assign(reading=reading).pivot(index="claim", columns="reading", values="verdict")
    wide = wide.reindex(index=frame["claim"].drop_duplicates(), columns=reading.drop_duplicates())
    reference = f"{_SHORT[str(REFERENCE_BATCHES)]}, {_SHORT[str(REFERENCE_SERVERS)]}"
    return Table(
        name="claims_by_reading",
        caption="Claims in every reading",
        frame=frame,
        shown=wide.reset_index(),
        columns=(
            Column("claim", "claim", is_number=False),
            *(
                Column(name, name + (" (reference)" if name == reference else ""), str, is_number=False)
                for name in wide.columns
            ),
        ),
        note=(
            _READINGS
            + "The verdicts at the top are those of the reference readings, over all training seeds; other readings "
            "have one training seed. The CSV has the figures behind each."
        ),
    )


def seeds(frame: pd.DataFrame) -> Table:
    """Rounds, energy and sorted grams of the rows that were trained from several seeds."""
    records = []
    for (name, servers), part in frame.groupby(["model", "servers"], sort=False):
        records.append(
            {
                "model": name,
                "servers": servers,
                "each": ", ".join(
                    NO_VALUE if missing(value) else str(value)
                    for value in part.sort_values("seed")["rounds"].tolist()
                ),
                "rounds": _range(part["rounds"], trimmed),
                "sorted_g": _range(part["sorted_g"]),
                "wh": _range(1000.0 * part["ours_kwh"]),
                "paper_wh": 1000.0 * part["paper_kwh"].iloc[0],
                "paper_g": part["paper_g"].iloc[0],
                **{f"{column} mean": part[column].mean() for column in ("rounds", "ours_kwh", "sorted_g")},
            }
        )
    return Table(
        name="seeds",
        caption="Rounds by seed",
        frame=frame,
        shown=pd.DataFrame(records),
        columns=(
            _MODEL,
            _N,
            Column("each", "rounds by seed", is_number=False),
            Column("rounds", "rounds, mean", str, sort="rounds mean"),
            Column("wh", "ours, Wh", str, sort="ours_kwh mean"),
            Column("paper_wh", "paper, Wh", number),
            Column("sorted_g", "sorted, g", str, sort="sorted_g mean"),
            Column("paper_g", "paper, g", number),
        ),
        note=(
            "Reference readings. Training seeds 0, 1, ... in their order (first model, shares, order of examples), "
            "each calibrated on its own row of most rounds; Table I and the points of the figures are seed 0. Means "
            "over the seeds, in brackets lowest and highest. " + _errors_by_seed(frame)
        ),
    )


def _errors_by_seed(frame: pd.DataFrame) -> str:
    """How far the predicted rows of a seed lie off on average, lowest to highest seed."""
    predicted = frame[frame["role"] == "prediction"]
    off = (
        (predicted["ratio_kwh"] - 1.0)
        .abs()
        .groupby([predicted["model"], predicted["seed"]], sort=False)
        .mean()
    )
    said = [
        f"{name} {percent(float(part.min()))} to {percent(float(part.max()))}"
        for name, part in off.groupby(level=0, sort=False)
    ]
    return f"Mean error in energy of a seed's predicted rows: {', '.join(said)}."


def _range(values: pd.Series[float], text: Callable[[float], str] = number) -> str:
    """Mean, lowest and highest."""
    known = values.dropna().astype(float)
    if known.empty:
        return NO_VALUE
    return f"{text(float(known.mean()))} [{text(float(known.min()))}, {text(float(known.max()))}]"


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
            *_READ,
            _N,
            _ROUNDS,
            Column("implied_rounds", "implied", _one),
            Column("how", "origin", is_number=False),
            Column("paper_kwh", "paper, Wh", _thousand),
            Column("ours_kwh", "ours, Wh", _thousand),
            Column("ratio_kwh", "ratio", _two),
            Column("paper_g", "paper, g", number),
            Column("sorted_g", "sorted, g", number),
            Column("ratio_g", "ratio", _two),
            Column("random_mean_g", "random, g", number),
        ),
        note=(
            _READINGS
            + "Ratio: ours over the paper's; the energy of the row of most rounds is calibrated, all else predicted, "
            "each size of training apart. Implied: the rounds at which our energy would be the paper's. Measured: "
            "trained on this machine at the paper's size; shipped: so trained earlier, and part of the package; "
            "scaled: from a smaller training (its size is in the CSV's column basis); shipped, scaled: both. "
            f"{len(frame) - len(trained)} of {len(frame)} rows are missing; the CSV has them with the reason and "
            "their cost under --full, and for every row the 95 % range of random placements (their mean is exact), the "
            "range over starting hours, the duration, and the coordinator's and router's energy. "
            + _text_models(trained)
        ),
        shown=trained,
    )


def _text_models(trained: pd.DataFrame) -> str:
    """Accuracy and perplexity of the text model where its trainings in the reference readings ended."""
    reference = (trained["reading_e_b"] == str(REFERENCE_BATCHES)) & (
        trained["reading_servers"] == str(REFERENCE_SERVERS)
    )
    part = trained[reference & trained["perplexity"].notna()]
    if part.empty:
        return ""
    rows = [
        f"{percent(row['accuracy_fraction'])} and {number(row['perplexity'])} at n = {row['servers']}"
        for row in part.to_dict("records")
    ]
    return (
        "Next-character accuracy and perplexity of the LSTM at its last round, reference readings (all: CSV): "
        + ", ".join(rows)
        + "."
    )


def errors(frame: pd.DataFrame) -> Table:
    """Errors of the predictions."""
    return Table(
        name="errors",
        caption="Errors of the predicted rows, |ours / paper - 1|",
        frame=frame,
        shown=frame.assign(reading=_reading(frame)),
        columns=(
            *_READ,
            _SIZE,
            Column("rows_predicted", "rows", _whole),
            Column("mean_error_kwh_fraction", "kWh, mean", percent),
            Column("worst_error_kwh_fraction", "kWh, worst", percent),
            Column("mean_error_g_fraction", "g, mean", percent),
            Column("worst_error_g_fraction", "g, worst", percent),
            Column("calibrated_on_servers", "calibrated on n", _whole),
            Column("calibrated_on_rounds", "its rounds", _whole),
            Column("effective_gflop_per_s", "GFLOP/s", number),
        ),
        note=(
            _READINGS
            + _SIZES
            + "Grams: sorted placement. GFLOP/s: the calibrated speed, a test of the reading (the board's peak is 48). "
            "Rounds are whole: r rounds of the calibrated row leave its work anywhere in (r - 1, r], so with few of "
            "them all predictions of a block share an error of up to one round in r."
        ),
    )


def rate_errors(frame: pd.DataFrame) -> Table:
    """Errors of the predictions by learning rate."""
    return Table(
        name="rate_errors",
        caption="Errors by learning rate, |ours / paper - 1| in energy",
        frame=frame,
        shown=frame.assign(rate=_rate(frame)),
        columns=(
            _MODEL,
            _RATE,
            _SIZE,
            Column("servers", "rows, n", is_number=False),
            Column("rounds", "rounds", is_number=False),
            Column("rows_predicted", "predicted", _whole),
            Column("mean_error_kwh_fraction", "mean", percent),
            Column("worst_error_kwh_fraction", "worst", percent),
            Column("own_mean_error_kwh_fraction", "mean, own rate, same rows", percent),
            Column("calibrated_on_servers", "calibrated on n", _whole),
            Column("effective_gflop_per_s", "GFLOP/s", number),
        ),
        note=(
            "Reference readings, one training seed. * the study's rate, a choice, since the paper reports none: its "
            "errors are those of this choice as well. CNN and LSTM are scaled at every rate, the CNN at its own too, "
            "which Table I has whole."
        ),
    )


def rates(frame: pd.DataFrame) -> Table:
    """Rows behind the errors by learning rate, each with where its rounds come from."""
    return Table(
        name="rates",
        caption="Table I at other learning rates",
        frame=frame,
        shown=frame.assign(
            rate=_rate(frame),
            paper_wh=1000.0 * frame["paper_kwh"],
            ours_wh=1000.0 * frame["ours_kwh"].astype(float),
        ),
        columns=(
            _MODEL,
            _RATE,
            _N,
            _ROUNDS,
            Column("role", "role", is_number=False),
            Column("paper_wh", "paper, Wh", number),
            Column("ours_wh", "ours, Wh", number),
            Column("error_kwh_fraction", "error", percent),
            Column("basis", "rounds from", is_number=False),
        ),
    )


def _rate(frame: pd.DataFrame) -> list[str]:
    """Learning rates, the study's own with a star."""
    pairs = zip(frame["learning_rate"], frame["is_own"], strict=True)
    return [f"{rate:g}{'*' if own else ''}" for rate, own in pairs]


def calibrations(frame: pd.DataFrame) -> Table:
    """Errors of each block by the row that calibrates it."""
    wide = frame.assign(
        reading=_reading(frame),
        text=[
            percent(v) + ("*" if used else "")
            for v, used in zip(frame["mean_error_kwh_fraction"], frame["is_table1s"], strict=True)
        ],
    ).pivot(index=["model", "reading", "size"], columns="calibrated_on_servers", values="text")
    wide.columns = [f"n{n}" for n in wide.columns]
    return Table(
        name="calibrations",
        caption="Mean error in energy of the other rows, by the row that calibrates",
        frame=frame,
        shown=wide.reset_index(),
        columns=(
            *_READ,
            _SIZE,
            *(Column(name, f"n = {name[1:]}", str) for name in wide.columns),
        ),
        note="The calibrating row is one of n − 1 edge servers, of the same size, in both readings of servers. * the "
        "row of most rounds, which Table I uses whatever its error; its figure is the mean in the table of errors. "
        "Rounds are whole: a row of one or two says little about the speed, and shows as a column of large errors.",
    )


def scaling(check: pd.DataFrame) -> Table:
    """How well scaling predicts trainings that are known."""
    return Table(
        name="scaling",
        caption="Scaling checked: small trainings against trainings of the paper's size",
        frame=check,
        shown=check.assign(reading=_reading(check)),
        columns=(
            *_READ,
            _N,
            Column("trained_rounds", "rounds, trained", _whole),
            Column("scaled_rounds", "rounds, small training", _whole),
            Column("trained_kwh", "kWh, trained", number),
            Column("scaled_kwh", "kWh, scaled", number),
            Column("error_fraction", "error", percent),
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
            NO_VALUE if missing(g) else number(g) + _shares(of_three, of_four)
            for g, of_three, of_four in zip(
                shares["sorted_g"], shares["share_of_three_fraction"], shares["share_fraction"], strict=True
            )
        ]
    )
    wide = text.pivot(index=key, columns="stage", values="text")
    grams = text.pivot(index=key, columns="stage", values="sorted_g").add_suffix(" g")
    columns = [Column("servers", "servers", _whole), Column("target_fraction", "target", percent)]
    columns += [
        Column(stage, f"{stage}, g (share of three; of four)", str, sort=f"{stage} g") for stage in STAGES
    ]
    return Table(
        "stages",
        "Emissions by stage, sorted placement, edge servers only",
        shares,
        tuple(columns),
        note=(
            f"{MODEL}, training seed 0. Servers as in Table I: the number counts the coordinator, whose grams are "
            f"in no stage. Application: {REQUESTS_PER_SERVER:,} requests an edge server, a choice, since the paper "
            "reports no load; its grams grow with the servers for that reason alone. Preparation's joules do not "
            "depend on them."
        ),
        shown=wide.join(grams).reset_index(),
    )


def _shares(of_three: float, of_four: float) -> str:
    """Shares among the paper's three stages and among all four; recycling is none of the three."""
    said = [percent(share) for share in (of_three, of_four) if not missing(share)]
    return f" ({'; '.join(said)})" if said else ""


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
