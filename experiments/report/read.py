"""Finished run folders and compare folders, read and validated: the only reader of the run-folder schema.

A run folder holds ``metadata.json``, ``scenario.toml``, ``DONE`` and the tables below. Null in a table means
*missing* (an unmetered slot), never zero; sums skip it and the report says how many there were.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from carbon_data.types import DataError
from coordinator.policies import COMPARED
from coordinator.tables.schema import Kind
from experiments.report.older import as_today
from experiments.report.unselected import unselected_batches
from experiments.run_folder.failed import failure_of
from experiments.run_folder.files import COMPARE, DONE, METADATA, SCENARIO, TIMINGS, table_file
from experiments.run_folder.same_scenario import difference, scenario_facts
from experiments.run_folder.tables import RUN_TABLES

BASELINES = ("grid", "local")
UNKNOWN = "unknown"
"""Zone of a node that never registered."""
REQUIRED_METADATA = ("run_id", "name", "policy", "seed", "slot_s", "trace_step_s")


@dataclass(frozen=True)
class Run:
    """One finished run. Tables are those of experiments.run_folder.tables, sorted by slot; ``timings`` are wall-clock
    figures only."""

    folder: Path
    metadata: dict[str, Any]
    scenario: str
    tables: dict[str, pd.DataFrame]
    timings: dict[str, Any] = field(default_factory=dict)

    @property
    def policy(self) -> str:
        return str(self.metadata["policy"])

    @property
    def seed(self) -> int:
        return int(self.metadata["seed"])

    @property
    def leaves_work_out(self) -> bool:
        """Whether its policy or strategy selects nodes, and does not ask the others for their work."""
        return unselected_batches([self.tables["slots"]]) > 0

    @property
    def slot_s(self) -> float:
        return float(self.metadata["slot_s"])

    @property
    def on_wall_clock(self) -> bool:
        """Whether slots are of real time, and their boards measured them."""
        return "duration_s" in self.tables["slots"]

    @property
    def board_s(self) -> float:
        """Time of all slots on the boards."""
        return self.lasted_s(self.tables["slots"]["slot"])

    def lasted_s(self, slots: pd.Series) -> float:
        """Time of these slots on the boards, each once."""
        lasted_s = self.each_lasted_s
        return float(lasted_s[lasted_s.index.isin(slots)].sum())

    @property
    def each_lasted_s(self) -> pd.Series:
        """Time of every slot on the boards, by slot: on the wall clock as they measured it (their mean; ``slot_s`` of
        a slot that none measured; 0 of a missed one of which no time was left), else ``slot_s``."""
        table = self.tables["slots"]
        if not self.on_wall_clock:
            slots = sorted(table["slot"].unique())
            return pd.Series(self.slot_s, index=pd.Index(slots, name="slot"), dtype="float64")
        return table.groupby("slot")["duration_s"].mean().astype("float64").fillna(self.slot_s)

    @property
    def emissions_g(self) -> float:
        """Everything: nodes, network, users' devices, coordinator and router."""
        return float(self.tables["lines"]["operational_g"].sum())

    @property
    def node_ids(self) -> list[str]:
        """Nodes from the lowest mean intensity to the highest, so that neighbours in a figure are similar."""
        means = self.tables["slots"].groupby("node_id")["intensity_g_per_kwh"].mean()
        return [
            str(node)
            for node in means.reset_index().sort_values(["intensity_g_per_kwh", "node_id"])["node_id"]
        ]


@dataclass(frozen=True)
class Study:
    """One run, or a comparison of policies over seeds: what a report is about."""

    folder: Path
    is_comparison: bool
    runs: dict[str, dict[int, Run]]
    """policy -> seed -> run, the papers' policies first (COMPARED), the others after them by name."""
    absent: tuple[str, ...] = ()
    """Runs of the comparison that are missing or not finished; always shown."""
    regret: dict[str, Any] = field(default_factory=dict)
    """What the comparison says of each run beside its day's perfect-foresight bound: ``in_it``, ``not_in_it``,
    ``runs`` (experiments.runs.regret). Empty for a run alone."""
    failed: dict[str, str] = field(default_factory=dict)
    """Failed runs of the comparison by folder name, with the reason: named, and in no figure."""
    in_focus: str = ""
    """Policy that the page is to be about; empty, or one without a run: it follows from the policies."""
    against: str = ""
    """Baseline beside GRID and LOCAL."""

    @property
    def policies(self) -> tuple[str, ...]:
        return tuple(self.runs)

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(sorted({seed for by_seed in self.runs.values() for seed in by_seed}))

    def __iter__(self) -> Iterator[Run]:
        for by_seed in self.runs.values():
            yield from by_seed.values()

    @property
    def focus(self) -> str:
        """The policy in focus of the page: as chosen, else the user's own (``package.module:Name``), else DETA when it
        was run; of several, or of the others, the one with the lowest emissions. Of policies beside GRID and LOCAL
        those that did all work come before those that select nodes."""
        if self.in_focus in self.runs:
            return self.in_focus
        own = [policy for policy in self.runs if ":" in policy]
        if not own and "deta" in self.runs:
            return "deta"
        several = own or list(self.runs)
        whole = [
            policy
            for policy in several
            if policy not in BASELINES and not any(run.leaves_work_out for run in self.runs[policy].values())
        ]
        mean_g = {
            policy: sum(run.emissions_g for run in self.runs[policy].values()) / len(self.runs[policy])
            for policy in whole or several
        }
        return min(mean_g, key=lambda policy: (mean_g[policy], policy))

    def first(self, policy: str) -> Run:
        """The run of ``policy`` with the lowest seed: the one shown where a figure can show only one."""
        by_seed = self.runs[policy]
        return by_seed[min(by_seed)]

    @property
    def any_run(self) -> Run:
        return self.first(self.focus)


def order_key(policy: str) -> tuple[int, str]:
    """Sort key: baselines first, then DET, DAT, DETA, then the others by name."""
    return (COMPARED.index(policy) if policy in COMPARED else len(COMPARED), policy)


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(
            f"{path} is missing; a run folder holds metadata.json and the tables, run it again"
        ) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} is not readable as JSON ({error}); the run folder is damaged, run it again"
        ) from None
    if not isinstance(value, dict):
        raise DataError(f"{path} holds a {type(value).__name__}; one JSON object is allowed")
    return value


def _parquet(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path.absolute())  # pyarrow takes a relative "a:b/..." for an address
    except FileNotFoundError:
        raise DataError(f"{path} is missing; the run is incomplete, run it again") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is not readable as Parquet ({error}); the run folder is damaged") from None


def _table(folder: Path, name: str, alpha_bits_per_token: float) -> pd.DataFrame:
    path = folder / table_file(name)

    def beside(other: str) -> pd.DataFrame | None:
        return _parquet(folder / table_file(other)) if (folder / table_file(other)).exists() else None

    try:
        frame = as_today(name, _parquet(path), beside, alpha_bits_per_token)
    except KeyError as error:
        raise DataError(f"{path} lacks {error}; was it written by an older version?") from None
    schema = RUN_TABLES[name]
    wanted = schema.needed
    lacking = [column for column in wanted if column not in frame.columns]
    if lacking:
        raise DataError(
            f"{path} lacks the columns {lacking}; it has {list(frame.columns)}. Was it written by an "
            f"older version?"
        )
    if frame.empty and not schema.may_be_empty:
        raise DataError(f"{path} has no rows; a finished run has at least one slot and one node")
    for column, kind in wanted.items():
        frame[column] = _typed(frame[column], kind, f"{path}: column {column}")
    return frame.sort_values("slot", kind="stable", ignore_index=True) if "slot" in frame else frame


def _typed(values: pd.Series, kind: Kind, where: str) -> pd.Series:
    """One column in the type the figures expect; what cannot be so is an error, null is kept as null."""
    try:
        if kind is Kind.COUNTS:
            return values
        if kind is Kind.TIME:
            return pd.to_datetime(values, utc=True)
        if kind is Kind.TEXT_OR_NULL:
            return values.astype(object).where(values.notna(), UNKNOWN).astype(str)
        if kind is Kind.FLAG_OR_NULL:
            return values.astype("boolean").fillna(False).astype(bool)
        if kind is Kind.TEXT:
            if values.isna().any():
                raise ValueError("null")
            return values.astype(str)
        if kind is Kind.FLAG:
            return values.astype("boolean").astype(bool)
        if kind is Kind.INDEX:
            return values.astype("int64")
        return values.astype("Float64").astype("float64")
    except (TypeError, ValueError) as error:
        raise DataError(f"{where} should hold {kind} values: {error}") from None


def load_run(folder: Path, *, require_done: bool = True) -> Run:
    """Read one run folder. Raises DataError when it is unfinished, incomplete or breaks its schema."""
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; give a run folder, e.g. runs/NAME-deta-s0")
    if require_done and (failure := failure_of(folder)):
        raise DataError(f"{folder}: the run failed, its figures do not count: {failure}")
    if require_done and not (folder / DONE).exists():
        raise DataError(f"{folder} has no DONE file: the run is not finished; let it end, or start it again")
    metadata = _json(folder / METADATA)
    lacking = [key for key in REQUIRED_METADATA if key not in metadata]
    if lacking:
        raise DataError(f"{folder / 'metadata.json'} lacks {lacking}; was it written by an older version?")
    timings = folder / TIMINGS
    scenario = folder / SCENARIO
    return Run(
        folder=folder,
        metadata=metadata,
        scenario=scenario.read_text(encoding="utf-8") if scenario.exists() else "",
        tables={
            name: _table(folder, name, float(metadata.get("tree_alpha_bits_per_token") or 0.0))
            for name, schema in RUN_TABLES.items()
            if not schema.may_lack or (folder / table_file(name)).exists()
        },
        timings=_json(timings) if timings.exists() else {},
    )


def load(folder: Path, *, require_done: bool = True, runs: Mapping[str, Run] | None = None) -> Study:
    """Read a run folder or a compare folder. ``runs``: those of a comparison that were read already, by folder name.
    Raises DataError when there is no finished run in it."""
    folder = Path(folder)
    if (folder / METADATA).exists():
        run = load_run(folder, require_done=require_done)
        return Study(folder, False, {run.policy: {run.seed: run}})
    return load_comparison(folder, require_done=require_done, runs=runs)


def _require_one_scenario(folder: Path, runs: list[Run]) -> None:
    """Raises DataError for runs of different scenarios."""
    facts = [scenario_facts(run.scenario, run.metadata) for run in runs]
    for run, own in zip(runs[1:], facts[1:], strict=True):
        if text := difference(facts[0], own):
            raise DataError(
                f"{folder} holds runs of different scenarios, which are never compared: {runs[0].folder.name} and "
                f"{run.folder.name} differ in {text}; keep the runs of one scenario in a folder"
            )


def study_of(folder: Path, runs: Sequence[Run]) -> Study:
    """Runs of a comparison that is not over, as a comparison of their own."""
    found: dict[str, dict[int, Run]] = {}
    for run in sorted(runs, key=lambda run: (order_key(run.policy), run.seed)):
        found.setdefault(run.policy, {})[run.seed] = run
    return Study(folder, True, found)


def load_comparison(
    folder: Path, *, require_done: bool = True, runs: Mapping[str, Run] | None = None
) -> Study:
    """Read a compare folder: every sub-folder that is a run, but for ``runs``, which were read already. Unfinished or
    absent runs are named in ``absent``."""
    if not folder.is_dir():
        raise DataError(
            f"{folder} is not a folder; give a run folder or a compare folder, e.g. runs/NAME-compare"
        )
    found: dict[str, dict[int, Run]] = {}
    absent: list[str] = []
    summary = folder / COMPARE
    planned = _json(summary) if summary.exists() else {}
    failed: dict[str, str] = dict(planned.get("failed", {}))
    for path in sorted(folder.glob(f"*/{METADATA}")):
        if require_done and not (path.parent / DONE).exists():
            if failure := failure_of(path.parent):
                failed.setdefault(path.parent.name, failure)
            else:
                absent.append(f"{path.parent.name}: not finished")
            continue
        known = (runs or {}).get(path.parent.name)
        run = known or load_run(path.parent, require_done=require_done)
        if run.seed in found.setdefault(run.policy, {}):
            raise DataError(
                f"{folder} holds policy {run.policy}, seed {run.seed} twice; keep one of the two folders"
            )
        found[run.policy][run.seed] = run
    _require_one_scenario(folder, [run for by_seed in found.values() for run in by_seed.values()])
    if not found:
        raise DataError(
            f"{folder} holds no finished run; give a run folder, or a compare folder with runs in it"
        )
    if planned:
        for policy, names in planned.get("policies", {}).items():
            for place, seed in enumerate(planned.get("seeds", [])):
                if seed not in found.get(policy, {}) and not set(names[place : place + 1]) & set(failed):
                    absent.append(f"policy {policy}, seed {seed}: named in compare.json, no finished run")
    in_order = {policy: dict(sorted(found[policy].items())) for policy in sorted(found, key=order_key)}
    chosen = planned.get("focus") or "", planned.get("baseline") or ""
    return Study(folder, True, in_order, tuple(absent), planned.get("regret", {}), failed, *chosen)
