"""The tables of a report: what is shown, how it is formatted, and the CSV of every one in base units."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from coordinator.tables.schema import SLEEP, SLEPT_BY_MODEL
from experiments.report import style, units
from experiments.report.measured import total_text
from experiments.report.measures import checks, generates, over_seeds, totals
from experiments.report.read import Run, Study
from protos.messages.terms import HOLDERS, Sleep

TESTBED_RATIOS = ("tree_testbed_bit_per_j", "tree_generated_testbed_bit_per_j", "ee_testbed_bit_per_j")
"""Over all joules of the testbed; those of serving and of a node have names of their own."""
FOLDED_FROM = 24
"""A table with more rows is folded in the page until somebody opens it."""
ROWS_AT_MOST = 200
"""Rows shown in the page; the CSV always has all of them."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of ``Table.display`` as shown, sorted by its raw value or by that of column ``sort``."""

    key: str
    label: str
    text: Callable[[Any], str] = units.plain
    is_number: bool = True
    sort: str = ""


@dataclass(frozen=True)
class Table:
    name: str
    """File stem in tables/."""
    caption: str
    frame: pd.DataFrame
    """Base units, unit in the column's name: this is the CSV."""
    columns: tuple[Column, ...]
    note: str = ""
    shown: pd.DataFrame | None = None
    """What the page shows where that is not ``frame`` itself."""

    @property
    def display(self) -> pd.DataFrame:
        return self.frame if self.shown is None else self.shown

    @property
    def folded_from(self) -> int:
        return FOLDED_FROM

    @property
    def hidden_rows(self) -> int:
        return max(0, len(self.display) - ROWS_AT_MOST)

    def rows(self, at_most: int = ROWS_AT_MOST) -> list[list[tuple[str, str, bool]]]:
        """Cells as (text, raw value to sort by, is a number)."""
        result = []
        for record in self.display.head(at_most).to_dict("records"):
            cells = []
            for column in self.columns:
                raw = record[column.key]
                shown = units.NO_VALUE if units.missing(raw) else column.text(raw)
                key = record[column.sort] if column.sort else raw
                cells.append((shown, "" if units.missing(key) else str(key), column.is_number))
            result.append(cells)
        return result

    def write(self, folder: Path) -> None:
        self.frame.to_csv(folder / f"{self.name}.csv", index=False, lineterminator="\n")


def policies(study: Study) -> Table:
    """One row per policy: totals of the replay, with energy, accuracy, TREE and EE."""
    records = []
    for policy in study.policies:
        emissions = over_seeds(study, policy, "emissions_g")
        assert emissions is not None
        record: dict[str, Any] = {
            "policy": policy,
            "seeds": emissions.n,
            "emissions_mean_g": emissions.mean,
            "emissions_sd_g": emissions.sd,
            "nodes_mean_g": _mean(study, policy, "nodes_g"),
            "nodes_and_network_mean_g": _mean(study, policy, "nodes_and_network_g"),
        }
        for name in (
            "energy_j",
            "grid_j",
            "green_j",
            "harvest_j",
            "curtailed_j",
            "sent_j",
            "moved_batches",
            "unserved_batches",
            "unselected_batches",
            "accuracy",
            *TESTBED_RATIOS,
        ):
            record[name] = _mean(study, policy, name)
        records.append(record)
    frame = pd.DataFrame(records)
    columns = [
        Column("policy", "policy", style.policy_label, is_number=False),
        Column(
            "emissions",
            "emissions ± sd" if len(study.seeds) > 1 else "emissions",
            sort="emissions_mean_g",
        ),
        Column("accuracy", "accuracy", units.percent),
        Column("energy_j", "energy", units.joules),
        Column("grid_j", "from grid", units.joules),
        Column("tree_testbed_bit_per_j", "TREE, testbed", units.bits_per_joule),
        Column("tree_generated_testbed_bit_per_j", "generated tokens only", units.bits_per_joule),
        Column("ee_testbed_bit_per_j", "EE, testbed", units.bits_per_joule),
        Column("curtailed_j", "curtailed", units.joules),
        Column("sent_j", "transferred", units.joules),
        Column("moved_batches", "moved", units.count),
        Column("unserved_batches", "unserved", units.count),
        Column("unselected_batches", "not asked for", units.count),
        Column("nodes_mean_g", "nodes alone", units.grams),
    ]
    counts = ("curtailed_j", "sent_j", "moved_batches", "unserved_batches", "unselected_batches")
    idle = {key for key in counts if not frame[key].any()}
    if not generates(study):
        idle.add("tree_generated_testbed_bit_per_j")
    caption = "Totals of the replay" + (", means over seeds" if study.is_comparison else "")
    spreads = [units.spread(over_seeds(study, p, "emissions_g"), units.grams_scale) for p in study.policies]
    return Table(
        "policies",
        caption,
        frame,
        tuple(column for column in columns if column.key not in idle),
        note=total_text(study),
        shown=frame.assign(emissions=spreads),
    )


def _mean(study: Study, policy: str, name: str) -> float | None:
    value = over_seeds(study, policy, name)
    return None if value is None else value.mean


def runs(study: Study) -> Table:
    """One row per run."""
    frame = pd.DataFrame(
        [
            {"policy": run.policy, "seed": run.seed, "run": run.folder.name, **_run_record(run)}
            for run in study
        ]
    )
    return Table(
        "runs",
        "Every run",
        frame,
        (
            Column("policy", "policy", style.policy_label, is_number=False),
            Column("seed", "seed"),
            Column("emissions_g", "emissions", lambda g: units.grams(g, 4)),
            Column("energy_j", "energy", units.joules),
            Column("accuracy", "accuracy", units.percent),
            Column("rounds", "rounds"),
            Column("executed_batches", "batches run", units.count),
            Column("moved_batches", "moved", units.count),
            Column("moved_bytes", "moved data", units.data_bytes),
            Column("unserved_batches", "unserved", units.count),
            Column("unselected_batches", "not asked for", units.count),
            Column("requests", "requests", units.count),
            Column("tokens_in", "tokens in", units.count),
            Column("tokens_out", "tokens out", units.count),
            Column("unmetered_slots", "unmetered node-slots", units.count),
        ),
    )


def _run_record(run: Run) -> dict[str, Any]:
    one = totals(run)
    return {name: getattr(one, name) for name in one.__dataclass_fields__ if name not in ("policy", "seed")}


WAKES = ("wake_s", "wake_j")
"""Columns of ``slots``, measured at every real wake-up."""
WAKE_COLUMNS = (
    Column("wake_ups", "wake-ups", units.count),
    Column(
        "mean_wake_s",
        "mean wake-up",
        lambda value: units.NO_VALUE if units.missing(value) else f"{value:.3g} s",
    ),
    Column("mean_wake_j", "energy of one", units.joules),
)


def nodes(study: Study) -> Table:
    """Per node, policy in focus, first seed."""
    run = study.any_run
    frame = run.tables["nodes"].copy()
    level = run.tables["slots"].groupby("node_id")["intensity_g_per_kwh"].mean()
    frame.insert(2, "mean_intensity_g_per_kwh", frame["node_id"].map(level))
    harvest = run.tables["slots"].groupby("node_id")["harvest_j"].sum()
    frame["harvest_j"] = frame["node_id"].map(harvest)
    frame = frame.sort_values(["mean_intensity_g_per_kwh", "node_id"], ignore_index=True)
    slots = run.tables["slots"]
    slept = not slots["awake"].fillna(True).all()
    if slept and SLEEP not in frame:
        frame[SLEEP] = SLEPT_BY_MODEL
    wakes = WAKES if WAKES[0] in slots else ()
    if wakes:
        of_node = slots.groupby("node_id")[list(WAKES)]
        frame["wake_ups"] = frame["node_id"].map(of_node.count()[WAKES[0]])
        for name in wakes:
            frame[f"mean_{name}"] = frame["node_id"].map(of_node.mean()[name])
    return Table(
        "nodes",
        f"Nodes under {style.policy_label(run.policy)}, seed {run.seed}",
        frame,
        (
            Column("node_id", "node", is_number=False),
            Column("zone", "zone", is_number=False),
            Column("mean_intensity_g_per_kwh", "mean g/kWh", units.number),
            Column("operational_g", "emissions", units.grams),
            Column("demand_j", "energy", units.joules),
            Column("grid_j", "from grid", units.joules),
            Column("harvest_j", "harvest", units.joules),
            Column("executed_batches", "batches run", units.count),
            Column("tokens_in", "tokens in", units.count),
            Column("tokens_out", "tokens out", units.count),
            Column("tree_node_bit_per_j", "TREE, node", units.bits_per_joule),
            Column("ee_node_bit_per_j", "EE, node", units.bits_per_joule),
            *((Column(SLEEP, "sleep", sleep_in_words, is_number=False),) if SLEEP in frame else ()),
            *(WAKE_COLUMNS if wakes else ()),
        ),
    )


def sleep_in_words(registered: str) -> str:
    """What a node's sleep was: not possible, of the model, or real, and then by what."""
    if units.missing(registered):
        return units.NO_VALUE
    kind = Sleep(registered)
    return f"real, by {kind}" if kind.real else str(kind) if kind.possible else "not possible"


def lines(study: Study) -> Table:
    """Joules and grams by place, stage and component with how they are known; in the page grams by policy."""
    keys = ["where", "stage", "component", "provenance"]
    frames = []
    for run in study:
        own = run.tables["lines"]
        where = own["node_id"].where(own["node_id"].isin(HOLDERS), "edge nodes")
        sums = own.assign(where=where).groupby(keys)[["energy_j", "grid_j", "operational_g"]].sum()
        frames.append((sums / len(study.runs[run.policy])).reset_index().assign(policy=run.policy))
    frame = pd.concat(frames, ignore_index=True).groupby(["policy", *keys], as_index=False).sum()
    rank = {policy: k for k, policy in enumerate(study.policies)}
    frame = frame.sort_values(["policy", *keys], key=lambda c: c.map(rank) if c.name == "policy" else c)
    shown = frame.pivot(index=keys, columns="policy", values="operational_g")[list(study.policies)]
    shown = shown[(shown > 0).any(axis=1)].sort_values(study.focus, ascending=False).reset_index()
    columns = [Column(key, "reading" if key == "provenance" else key, is_number=False) for key in keys]
    columns += [Column(policy, style.policy_label(policy), units.grams) for policy in study.policies]
    return Table(
        "lines",
        "Every line of the books: grams by policy, mean over seeds",
        frame.reset_index(drop=True),
        tuple(columns),
        note="Joules of every line are in the CSV; lines without emissions are left out here.",
        shown=shown,
    )


def provenance(study: Study) -> Table:
    """Share of all booked energy by how it is known."""
    every = pd.concat([run.tables["lines"][["provenance", "energy_j"]] for run in study])
    sums = every.groupby("provenance")["energy_j"].sum().sort_values(ascending=False)
    frame = pd.DataFrame({"provenance": sums.index, "energy_j": sums.to_numpy()})
    frame["share_fraction"] = frame["energy_j"] / frame["energy_j"].sum()
    return Table(
        "provenance",
        "How the readings are known (all runs together)",
        frame,
        (
            Column("provenance", "reading", is_number=False),
            Column("energy_j", "energy", units.joules),
            Column("share_fraction", "share", units.percent),
        ),
        note=(
            "measured: read from an instrument; modelled: computed from counted work, without an interval of a meter; "
            "replayed: from a recorded trace."
        ),
    )


def bookkeeping(study: Study) -> Table:
    """The identities of methods.md section 1 and 4, re-computed from the tables."""
    frame = pd.DataFrame(
        [
            {
                "identity": c.name,
                "equation": c.equation,
                "largest_residual_fraction": c.residual_fraction,
                "holds": c.holds,
            }
            for c in checks(study)
        ]
    )
    return Table(
        "bookkeeping",
        "Book-keeping, recomputed from the tables of every run",
        frame,
        (
            Column("identity", "identity", is_number=False),
            Column("equation", "equation", is_number=False),
            Column(
                "largest_residual_fraction", "largest relative residual", lambda value: units.number(value, 2)
            ),
            Column("holds", "holds", lambda holds: "yes" if holds else "NO", is_number=False),
        ),
    )


def fallbacks(study: Study) -> Table | None:
    """Decisions that were replaced by another policy; None without any."""
    rows = []
    for run in study:
        frame = run.tables["decisions"]
        for row in frame[frame["status"].str.lower().str.startswith("fallback")].itertuples():
            rows.append({"policy": run.policy, "seed": run.seed, "slot": row.slot, "status": row.status})
    if not rows:
        return None
    return Table(
        "fallbacks",
        "Decisions for which the policy was replaced by another",
        pd.DataFrame(rows),
        (
            Column("policy", "policy", style.policy_label, is_number=False),
            Column("seed", "seed"),
            Column("slot", "slot"),
            Column("status", "what happened", is_number=False),
        ),
    )
