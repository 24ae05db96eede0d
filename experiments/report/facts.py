"""Facts of a report about the run itself: time, data, assumptions, sources, versions, and how to repeat
it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_node.tasks.none import NAME as NO_TASK
from experiments.report import style, units
from experiments.report.measures import Totals, alpha_bits_per_token, totals
from experiments.report.node_names import in_text, node_names
from experiments.report.notices import restarts
from experiments.report.read import Run, Study
from experiments.run_folder.files import METADATA, SCENARIO

SHOWN_METADATA = (
    "data_origin",
    "recycling_data",
    "partition",
    "strategy",
    "meter",
    "fleet",
    "coordinator_zone",
    "policy_options",
)
"""Further metadata shown in the setup table where a run has them."""
ORIGIN_FIELDS = ("source", "licence", "signal", "scope", "provenance", "sha256", "url")


@dataclass(frozen=True)
class Origin:
    """A source with all figures from it."""

    what: tuple[str, ...]
    fields: dict[str, str]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Facts:
    name: str
    subtitle: str
    time_text: str
    setup: list[tuple[str, str]]
    origins: list[Origin]
    assumptions: list[tuple[str, str]]
    versions: list[tuple[str, str]]
    timings: list[tuple[str, str]]
    command: str
    scenario: str
    metadata: str
    metadata_file: str
    """Beside the page."""
    totals: Totals


def gather(study: Study) -> Facts:
    run = study.any_run
    meta = run.metadata
    slots = run.tables["slots"]
    stages = slots.drop_duplicates("slot").sort_values("slot")["stage"]
    nodes, count = run.tables["nodes"], int(stages.size)
    seeds = f"{len(study.seeds)} seeds" if len(study.seeds) > 1 else f"seed {study.seeds[0]}"
    policies = ", ".join(style.policy_label(policy) for policy in study.policies)
    zones = sorted(nodes["zone"].unique())
    alpha = alpha_bits_per_token(run)
    setup = [
        ("policies", policies),
        ("seeds", ", ".join(map(str, study.seeds))),
        (
            "edge nodes",
            f"{len(nodes)} in {len(zones)} zones: {', '.join(zones[:24])}{' …' if len(zones) > 24 else ''}",
        ),
        (
            "slots",
            f"{count}: "
            + ", ".join(f"{int(n)} {stage}" for stage, n in stages.value_counts(sort=False).items()),
        ),
        ("slot length (slot_s)", _slot_length(run)),
        (
            "trace step (trace_step_s)",
            f"{units.trimmed(float(meta['trace_step_s']), 4)} s of trace time per slot",
        ),
        ("first interval of the traces", str(meta.get("start", slots["time"].min().isoformat()))),
        ("task", plain_text(meta.get("task", "not stated"))),
        ("data used", plain_text(meta.get("data_used", meta.get("data", "not stated")))),
        *[(key.replace("_", " "), plain_text(meta[key])) for key in SHOWN_METADATA if meta.get(key)],
        ("α of TREE", "not stated" if alpha is None else f"{units.count(alpha)} bit per token"),
        ("coordinator restarts", _restarts(study)),
        ("tables written by", plain_text(meta.get("run_id"))),
    ]
    return Facts(
        name=str(meta["name"]),
        subtitle=f"{policies} · {len(nodes)} edge nodes · {count} slots · {seeds} · {_learned(meta)}",
        time_text=_time_text(run, count),
        setup=setup,
        origins=_origins(study),
        assumptions=_assumptions(meta.get("assumptions", [])),
        versions=[(str(key), plain_text(value)) for key, value in dict(meta.get("versions", {})).items()],
        timings=_timings(study),
        command=command(study),
        scenario=run.scenario,
        metadata=json.dumps(meta, indent=2, ensure_ascii=False, default=str),
        metadata_file=Path(os.path.relpath(run.folder / METADATA, study.folder)).as_posix(),
        totals=totals(run),
    )


def _learned(meta: dict[str, Any]) -> str:
    """Task and data of the run in a few words."""
    task, data = meta.get("task", "task not stated"), meta.get("data_used", "data not stated")
    if task == NO_TASK:
        return "energy only, nothing learned"
    return f"{plain_text(task)} on {plain_text(data)}"


def _slot_length(run: Run) -> str:
    planned = f"{units.trimmed(run.slot_s, 4)} s"
    if not run.on_wall_clock:
        return f"{planned} of the board's own time"
    return f"{planned} planned, {units.trimmed(float(run.each_lasted_s.mean()), 4)} s measured on average"


def _time_text(run: Run, count: int) -> str:
    step = float(run.metadata["trace_step_s"])
    if run.on_wall_clock:
        lasted_s = run.each_lasted_s
        return (
            f"Slots are planned to last {duration(run.slot_s)} of real time; as the boards measured them they lasted "
            f"{duration(float(lasted_s.min()))} to {duration(float(lasted_s.max()))}, and all {count} together "
            f"{duration(run.board_s)}. Per slot the traces of grid intensity and harvest advance {duration(step)}. "
            "Every energy in this report is physical: of the measured time."
        )
    if step == run.slot_s:
        return (
            f"A slot lasts {duration(run.slot_s)}, and the traces of grid intensity and harvest advance as much: the "
            f"{count} slots are {duration(count * step)} of real time. Every energy is physical."
        )
    return (
        f"A slot lasts {duration(run.slot_s)} of the board's own time; per slot the traces of grid "
        f"intensity and harvest advance "
        f"{duration(step)}. So {count} slots replay {duration(count * step)} of grid and weather in "
        f"{duration(count * run.slot_s)} of "
        "board time. Every energy in this report is physical: power times the slot's own length. Totals are therefore "
        f"those of {duration(count * run.slot_s)} of work, not of {duration(count * step)}: they show which policy "
        "emitted less; grams per round, answer, token and hour show how much."
    )


def duration(seconds: float) -> str:
    """Seconds in a readable unit."""
    for size, name in ((86_400.0, "days"), (3600.0, "h"), (60.0, "min")):
        if seconds >= size * (1 if name != "days" else 2):
            return f"{units.trimmed(seconds / size)}{units.THIN}{name}"
    return f"{units.trimmed(seconds)}{units.THIN}s"


def _restarts(study: Study) -> str:
    values = [restarts(run) for run in study]
    if any(value is None for value in values):
        return "not recorded"
    return str(sum(value for value in values if value is not None))


def plain_text(value: Any) -> str:
    """Any JSON value as one readable line."""
    if isinstance(value, dict):
        return "; ".join(f"{key}: {plain_text(inner)}" for key, inner in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(plain_text(inner) for inner in value)
    return units.NO_VALUE if value is None else str(value)


def _assumptions(value: Any) -> list[tuple[str, str]]:
    """Assumptions as (name, text): a list of texts, a list of objects, or one object are all accepted."""
    if isinstance(value, dict):
        return [(str(key), plain_text(inner)) for key, inner in value.items()]
    pairs = []
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, dict):
            name = str(item.get("name", item.get("what", "")))
            pairs.append(
                (name, plain_text({key: inner for key, inner in item.items() if key not in ("name", "what")}))
            )
        else:
            pairs.append(("", str(item)))
    return pairs


def _origins(study: Study) -> list[Origin]:
    """All sources of all runs, equal ones combined."""
    merged: dict[tuple[tuple[tuple[str, str], ...], tuple[str, ...]], list[str]] = {}
    for run in study:
        called = node_names(run.tables["nodes"])
        for key, origin in _origin_items(run.metadata.get("origins", {})):
            what = in_text(key, called)
            fields = tuple(
                (key, plain_text(origin[key])) for key in ORIGIN_FIELDS if origin.get(key) is not None
            )
            notes = origin.get("notes") or ()
            texts = (str(notes),) if isinstance(notes, str) else tuple(str(note) for note in notes)
            names = merged.setdefault((fields, texts), [])
            if what not in names:
                names.append(what)
    return [Origin(tuple(names), dict(fields), notes) for (fields, notes), names in merged.items()]


def _origin_items(value: Any, prefix: str = "") -> list[tuple[str, dict[str, Any]]]:
    """Origins as (what, fields): a list of objects, or objects nested under names, are accepted."""
    if isinstance(value, dict) and "source" in value:
        return [(prefix or str(value.get("name", value.get("what", value.get("zone", "data")))), value)]
    if isinstance(value, dict):
        return [
            item for key, inner in value.items() for item in _origin_items(inner, f"{prefix} {key}".strip())
        ]
    if isinstance(value, list):
        return [item for inner in value for item in _origin_items(inner, prefix)]
    return [(prefix or "data", {"source": plain_text(value)})]


def _timings(study: Study) -> list[tuple[str, str]]:
    """Wall-clock figures of the run in focus, lists as count, mean and sum."""
    rows: list[tuple[str, str]] = []

    def walk(value: Any, name: str) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(inner, f"{name} {key}".strip())
        elif isinstance(value, list) and value and all(isinstance(one, (int, float)) for one in value):
            rows.append(
                (
                    name,
                    f"{len(value)} values, mean {units.number(sum(value) / len(value))}, sum "
                    f"{units.number(sum(value))}",
                )
            )
        elif isinstance(value, float):
            rows.append((name, units.number(value, 4)))
        else:
            rows.append((name, plain_text(value)))

    walk(study.any_run.timings, "")
    return rows[:60]


def command(study: Study) -> str:
    """The command that repeats this run from its own resolved scenario."""
    run = study.any_run
    if not study.is_comparison:
        return f"detabed run scenario.toml --policy {run.policy} --seed {run.seed}"
    first = study.runs[study.policies[0]].get(study.seeds[0], run)
    scenario = Path(first.folder.name) / SCENARIO
    return f"detabed compare {scenario} --policies {','.join(study.policies)} --seeds {len(study.seeds)}"
