"""The report page: one self-contained HTML file with its figures inline, and the same figures and tables
as files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from carbon_data.files.whole import whole_file
from experiments.report import (
    battery_gauges,
    clocks,
    conversations_table,
    fl_kinds,
    harvest_meters,
    headline_tables,
    learning,
    matrix,
    meters,
    negotiation,
    points_table,
    regret,
    serving_table,
    style,
    tables,
    tokens_table,
    tree_table,
    units,
)
from experiments.report.baselines import is_worked_out, named
from experiments.report.boundary import Boundary
from experiments.report.explore import explored
from experiments.report.facts import gather
from experiments.report.functional import LABELS
from experiments.report.headline_tables import unit_means
from experiments.report.lifecycle.embodied import embodied
from experiments.report.lifecycle.factors import factors_of
from experiments.report.lifecycle.setting import setting_of
from experiments.report.lifecycle.spread import stated_reduction
from experiments.report.lifecycle.tables import lifecycle_tables
from experiments.report.measures import Totals, over_seeds, totals
from experiments.report.node_names import with_zones
from experiments.report.notices import notices
from experiments.report.pictures import Picture, pictures
from experiments.report.provenance import known_of
from experiments.report.qoais.tables import qoais_tables
from experiments.report.read import Study, load
from experiments.report.second_process import SecondProcess
from experiments.report.stats import Estimate
from experiments.report.vendor import charts
from experiments.run_folder.files import REPORT, TABLES

TEMPLATES = Path(__file__).parent / "templates"

METADATA_AT_MOST = 60_000
"""Letters of a run's metadata that stand in the page; more are a link to the file (a large fleet has a line a node)."""
NAMED_AT_MOST = 3
"""What a source is used for is named up to this number; the rest is folded (a large fleet has a use a node)."""

SECTIONS: tuple[tuple[str, str, str], ...] = (
    (
        "emissions",
        "Emissions",
        "Emissions of each policy by seed, and reductions against a named baseline.",
    ),
    ("day", "The day", "Replayed grid intensity and harvest, and the sources of the nodes' energy."),
    ("flows", "Flows", "Energy and work that moved between nodes."),
    ("batteries", "Batteries", "Stored energy by node and time."),
    (
        "stages",
        "Life cycle",
        "Grams and joules by stage of the software's life; coordinator, router and network each for itself.",
    ),
    ("learning", "Learning", "Accuracy and loss against rounds and against emissions."),
    (
        "serving",
        "Serving",
        "Latency of requests, and joules and grams per token.",
    ),
    ("efficiency", "Efficiency", "Bits and tokens per joule, by policy and by node."),
    ("decisions", "Decisions", "Status of the decisions."),
    ("losses", "Losses", "Lost nodes and missing readings."),
)


def write_report(folder: Path, *, require_done: bool = True) -> Path:
    """Write ``report.html``, ``figures/*.svg|pdf`` and ``tables/*.csv`` into ``folder``; returns the
    page's path.

    ``folder`` is a run folder or a compare folder. The same tables give the same files, byte for byte. Raises
    carbon_data.types.DataError on an unfinished or damaged folder.
    """
    return write_study(load(Path(folder), require_done=require_done))


def write_study(
    study: Study, second: SecondProcess | None = None, ahead: Mapping[str, list[dict[str, Any]]] | None = None
) -> Path:
    """The same of a folder that is read already; ``second``, where it was started, draws a part of the figures, and
    ``ahead`` are sections that are drawn (experiments.report.ahead)."""
    folder = study.folder
    done = {section: [Picture(**one) for one in some] for section, some in (ahead or {}).items()}
    with pictures(study, second, done) as drawn:
        shown_tables = tables_of(study)
        table_folder = folder / TABLES
        table_folder.mkdir(exist_ok=True)
        for table in shown_tables.values():
            table.write(table_folder)
        page = render(study, drawn(), shown_tables)
    path = folder / REPORT
    with whole_file(path) as draft:
        draft.write_text(page, encoding="utf-8")
    return path


def tables_of(study: Study) -> dict[str, tables.Table]:
    found = [
        headline_tables.functional(study),
        headline_tables.reductions(study),
        matrix.table(study),
        *lifecycle_tables(study),
        *qoais_tables(study),
        tables.policies(study),
        meters.table(study),
        harvest_meters.table(study),
        battery_gauges.table(study),
        clocks.table(study),
        tables.runs(study),
        tables.nodes(study),
        tables.lines(study),
        tables.provenance(study),
        tables.bookkeeping(study),
        tables.fallbacks(study),
        regret.table(study),
        negotiation.table(study),
        learning.table(study),
        fl_kinds.personal(study),
        fl_kinds.privacy(study),
        serving_table.requests(study),
        tokens_table.tokens(study),
        conversations_table.conversations(study),
        points_table.operating_points(study),
        tree_table.tree_table(study),
    ]
    return {table.name: with_zones(table, study) for table in found if table is not None}


def render(study: Study, drawn: dict[str, list[Picture]], shown: dict[str, tables.Table]) -> str:
    """The page as text."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    facts, told = gather(study), explored(study)
    sections = [
        {"id": name, "title": title, "lead": lead, "figures": _figure_groups(drawn[name])}
        for name, title, lead in SECTIONS
        if drawn[name]
    ]
    return environment.get_template("report.html.j2").render(
        css=Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")),
        js=Markup((TEMPLATES / "report.js").read_text(encoding="utf-8")),
        svg={one.name: Markup(one.svg) for some in drawn.values() for one in some},
        title=(
            f"{facts.name}: "
            f"{'comparison' if study.is_comparison else style.policy_label(study.any_run.policy)}"
        ),
        facts=facts,
        folded_from=tables.FOLDED_FROM,
        named_at_most=NAMED_AT_MOST,
        metadata_at_most=METADATA_AT_MOST,
        headline=headline(study),
        focus=style.policy_label(study.focus),
        reading=known_of(*study).text,
        notices=notices(study),
        sections=sections,
        tables=shown,
        charts=Markup(charts()),
        explored=Markup(json.dumps(told, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")),
        explored_left_out=told["left_out"],
        explore_js=Markup((TEMPLATES / "explore.js").read_text(encoding="utf-8")),
        swatches={policy: style.policy_colour(policy) for policy in study.policies},
    )


def _figure_groups(drawn: list[Picture]) -> list[list[Picture]]:
    """Consecutive pictures with a tab label form one group."""
    groups: list[list[Picture]] = []
    for picture in drawn:
        if picture.tab and groups and groups[-1][0].tab:
            groups[-1].append(picture)
        else:
            groups.append([picture])
    return groups


def headline(study: Study) -> dict[str, Any]:
    """The sentence and the main figures at the top, of the policy in focus: functional units first, then reductions
    with their baseline and boundary named."""
    policy = study.focus
    label = style.policy_label(policy)
    per_unit = {boundary: unit_means(study, policy, boundary) for boundary in Boundary}
    whole = {name: grams for name, grams in per_unit[Boundary.TESTBED].items() if grams is not None}
    cards = [
        {
            "value": units.grams(grams),
            "label": f"CO₂e {LABELS[name]}",
            "note": f"{label}, whole testbed; nodes alone {units.grams(per_unit[Boundary.NODES][name])}",
        }
        for name, grams in whole.items()
    ]
    reduced, said = _reductions(study)
    cards += reduced
    accuracy = over_seeds(study, policy, "accuracy")
    if accuracy is not None:
        cards.append(
            {
                "value": units.percent(accuracy.mean),
                "label": "test accuracy",
                "note": _spread_note(accuracy, lambda sd: units.percent(sd, 2)),
            }
        )
    if not study.is_comparison:
        cards += _single_run(totals(study.any_run))
    sentence = f"{label} emitted {_listed([f'{units.grams(g)} {LABELS[n]}' for n, g in whole.items()])}"
    sentence += f": {'; '.join(said)}." if said else "."
    if study.is_comparison and not said:
        sentence += " Neither GRID nor LOCAL was run, so no reduction can be stated."
    sentence += _less_work(study)
    sentence += _made(study)
    return {"sentence": sentence, "cards": cards, "says": _says(study)}


def _less_work(study: Study) -> str:
    """Said beside the reductions where the policy in focus left work out."""
    every = [totals(run) for run in study.runs[study.focus].values()]
    left = sum(one.unselected_batches for one in every)
    if not left:
        return ""
    whole = left + sum(one.executed_batches for one in every)
    return (
        f" It did {units.percent(1 - left / whole)} of the batches, for it selects nodes: a lower total is less work, "
        "and no saving by itself."
    )


def _says(study: Study) -> str:
    """What the user's own policy says of itself, with what the page says of its difference to each baseline."""
    if ":" not in study.focus:
        return ""
    said = str(study.any_run.metadata.get("policy_says", ""))
    return said or f"{study.focus} has no docstring: one sentence on its rule would stand here."


def _chosen_first(study: Study) -> list[str]:
    """Baselines of the headline."""
    return sorted(named(study), key=lambda name: name != study.against)


def _made(study: Study) -> str:
    """A sentence where embodied emissions leave out nodes, or all of them."""
    run = study.any_run
    made = embodied(setting_of(run), factors_of([run]))
    if not made.unknown:
        return ""
    if made.reason:
        return f" Embodied emissions are not given: {made.reason}."
    count = len(setting_of(run).boards())
    return (
        f" Embodied emissions, {units.grams(made.total_g)} for the other {count - len(made.unknown)} boards, leave out "
        f"{made.without}."
    )


def _reductions(study: Study) -> tuple[list[dict[str, str]], list[str]]:
    """Cards and clauses: every baseline for nodes alone and for the whole testbed."""
    cards, clauses = [], []
    for boundary in Boundary if study.is_comparison else ():
        said = []
        for baseline in _chosen_first(study):
            if baseline == study.focus:
                continue
            label = style.policy_label(baseline)
            value = stated_reduction(study, study.focus, baseline, boundary)
            if value is None:
                if boundary is Boundary.TESTBED:
                    cards.append(
                        {
                            "value": units.NO_VALUE,
                            "label": f"against {label}",
                            "note": f"{label} was not run with these seeds",
                        }
                    )
                continue
            than = f"{units.percent(abs(value.reduction))} {'less' if value.reduction >= 0 else 'more'}"
            seeds = f"{value.seeds} paired seeds" if value.seeds > 1 else "one seed"
            note = (
                f"95 % {units.percent(value.together.low)} to {units.percent(value.together.high)}, {seeds}"
            )
            if is_worked_out(study, baseline):
                note += f"; {label} computed from LOCAL's demand"
            cards.append({"value": than, "label": f"than {label}, {boundary.label}", "note": note})
            said.append(f"{than} than {label}")
        if said:
            clauses.append(f"{boundary.label} {' and '.join(said)}")
    return cards, clauses


def _single_run(one: Totals) -> list[dict[str, str]]:
    green = one.green_j / (one.energy_j or 1.0)
    return [
        {
            "value": units.percent(green),
            "label": "of all energy was harvested",
            "note": f"{units.joules(one.energy_j)} used in all",
        },
        {
            "value": units.bits_per_joule(one.tree_testbed_bit_per_j),
            "label": "TREE of the testbed",
            "note": (
                f"{units.bits_per_joule(one.tree_generated_testbed_bit_per_j)} over generated tokens alone; "
                f"EE {units.bits_per_joule(one.ee_testbed_bit_per_j)}; all over all joules of the run"
            ),
        },
    ]


def _listed(parts: list[str]) -> str:
    """``a, b and c``."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _spread_note(value: Estimate, text: Any) -> str:
    return f"± {text(value.sd)} over {value.n} seeds" if value.sd is not None else "one seed: no spread"
