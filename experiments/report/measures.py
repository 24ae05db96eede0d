"""Measures of a run: totals, grams by category, and the book-keeping checks that the report prints."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Generic, TypeVar

import numpy as np
import pandas as pd

from coordinator.accounting.tree import Window, efficiency
from coordinator.market.decision import TIME_LIMIT
from experiments.report import baselines
from experiments.report.boundary import Boundary, inside
from experiments.report.measured import measured
from experiments.report.read import Run, Study
from experiments.report.stats import Estimate, estimate, paired_reduction, paired_reductions
from experiments.report.unselected import unselected_batches
from protos.messages.terms import HOLDERS, Component, Holder

CATEGORIES = ("preparation", "development", "application", "recycling", "unallocated", "waste", *HOLDERS)
RESIDUAL_ALLOWED_FRACTION = 1e-6
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Totals:
    """Totals of one run. Energies and emissions cover the metered slots only; ``unmetered_slots`` counts
    the gaps."""

    policy: str
    seed: int
    emissions_g: float
    """Everything: nodes, network, users' devices, coordinator and router."""
    nodes_and_network_g: float
    """Without coordinator and router."""
    nodes_g: float
    """Nodes alone."""
    energy_j: float
    measured_j: float | None
    """The part of it that sensors read, where they know how well; None without sensors."""
    measured_half_width_j: float | None
    """Half of the 95 % interval of ``measured_j``, by the meters' samples; calibration apart."""
    grid_j: float
    harvest_j: float
    green_j: float
    curtailed_j: float
    sent_j: float
    received_j: float
    moved_batches: int
    moved_bytes: int
    executed_batches: int
    unserved_batches: int
    unselected_batches: int
    """Not asked for, because their nodes were not selected: neither executed nor unserved."""
    tokens_in: int | None
    """Read by tasks that generate. None in runs of older versions that do not say which tokens they counted."""
    tokens_out: int | None
    """Generated."""
    bits: int
    requests: int
    rounds: int
    accuracy: float | None
    """Last measured test accuracy of the development stage."""
    tree_testbed_bit_per_j: float | None
    """Over input and generated tokens. It and the next two divide by all joules of the testbed, every stage."""
    tree_generated_testbed_bit_per_j: float | None
    ee_testbed_bit_per_j: float | None
    unmetered_slots: int
    dead_slots: int


def final_accuracy(rounds: pd.DataFrame) -> float | None:
    measured = rounds[rounds["test_accuracy"].notna()]
    development = measured[measured["stage"] == "development"]
    chosen = development if len(development) else measured
    return float(chosen.sort_values("round")["test_accuracy"].iloc[-1]) if len(chosen) else None


def alpha_bits_per_token(run: Run) -> float | None:
    """alpha of (T1) as the run used it."""
    value = run.metadata.get("tree_alpha_bits_per_token")
    return None if value is None else float(value)


def totals(run: Run) -> Totals:
    """Totals of ``run``; cached per run object."""
    return _totals(ById(run))


class ById(Generic[T]):
    """Lets a run or study (whose tables have no hash) be a cache key by identity."""

    def __init__(self, value: T) -> None:
        self.value = value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ById) and other.value is self.value


@lru_cache(maxsize=1024)
def _totals(key: ById[Run]) -> Totals:
    run = key.value
    slots, lines = run.tables["slots"], run.tables["lines"]
    posted = run.tables["energy_flows"].query("status == 'posted'")
    moved = run.tables["batch_flows"].query("owner != executor")
    energy_j = float(lines["energy_j"].sum())
    sensed = measured(lines)
    bits = int(slots["bits"].sum())
    tokens_in, tokens_out = (_counted(slots[name]) for name in ("tokens_in", "tokens_out"))
    alpha = alpha_bits_per_token(run)
    known = alpha is not None and tokens_in is not None and tokens_out is not None
    found = efficiency(Window(bits, tokens_in or 0, tokens_out or 0, energy_j), alpha or 0.0)
    own_body = lines["node_id"].isin([Holder.COORDINATOR, Holder.ROUTER])
    return Totals(
        policy=run.policy,
        seed=run.seed,
        emissions_g=run.emissions_g,
        nodes_and_network_g=float(lines.loc[~own_body, "operational_g"].sum()),
        nodes_g=float(inside(lines, Boundary.NODES)["operational_g"].sum()),
        energy_j=energy_j,
        measured_j=None if sensed is None else sensed.amount,
        measured_half_width_j=None if sensed is None else sensed.half_width,
        grid_j=float(lines["grid_j"].sum()),
        harvest_j=float(slots["harvest_j"].sum()),
        green_j=float(slots["green_j"].sum()),
        curtailed_j=float(slots["curtailed_j"].sum()),
        sent_j=float(posted["sent_j"].sum()),
        received_j=float(posted["received_j"].sum()),
        moved_batches=int(moved["batches"].sum()),
        moved_bytes=int(moved["payload_bytes"].sum()),
        executed_batches=int(slots["executed_batches"].sum()),
        unserved_batches=int(slots["unserved_batches"].sum()),
        unselected_batches=unselected_batches([slots]),
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        bits=bits,
        requests=int(slots["requests"].sum()),
        rounds=len(run.tables["rounds"]),
        accuracy=final_accuracy(run.tables["rounds"]),
        tree_testbed_bit_per_j=found.tree_bit_per_j if known else None,
        tree_generated_testbed_bit_per_j=found.tree_generated_bit_per_j if known else None,
        ee_testbed_bit_per_j=found.ee_bit_per_j,
        unmetered_slots=int((~slots["metered"]).sum()),
        dead_slots=int((~slots["alive"]).sum()),
    )


def _counted(column: pd.Series) -> int | None:
    """Sum over the slots with a value; None where no slot has one although slots were metered."""
    return None if len(column) and column.isna().all() else int(column.sum())


def over_seeds(study: Study, policy: str, name: str) -> Estimate | None:
    """Field ``name`` of Totals over the seeds of ``policy``; None when a seed lacks it."""
    values = [getattr(totals(run), name) for run in study.runs[policy].values()]
    return None if any(value is None for value in values) else estimate(values)


def generates(study: Study) -> bool:
    """Whether a run of the study generated tokens: else what counts those alone is EE again, and is left out."""
    return any(totals(run).tokens_out for run in study)


def lines_by_seed(study: Study, policy: str) -> dict[int, pd.DataFrame]:
    """Booked lines of every seed; of GRID computed from LOCAL where it was not run itself."""
    if baselines.is_worked_out(study, policy):
        return {seed: baselines.all_from_grid(run) for seed, run in study.runs["local"].items()}
    return {seed: run.tables["lines"] for seed, run in study.runs.get(policy, {}).items()}


def emissions_by_seed(study: Study, policy: str, boundary: Boundary = Boundary.TESTBED) -> dict[int, float]:
    """Grams of every seed within ``boundary``."""
    return {
        seed: float(inside(lines, boundary)["operational_g"].sum(skipna=policy in study.runs))
        for seed, lines in lines_by_seed(study, policy).items()
    }


def reduction(
    study: Study, policy: str, baseline: str, boundary: Boundary = Boundary.TESTBED
) -> Estimate | None:
    """Paired reduction of emissions against ``baseline``; None when there is no such baseline with these seeds."""
    return paired_reduction(
        emissions_by_seed(study, policy, boundary), emissions_by_seed(study, baseline, boundary)
    )


def reductions_by_seed(
    study: Study, policy: str, baseline: str, boundary: Boundary = Boundary.TESTBED
) -> list[float | None] | None:
    """Reduction for every seed of ``policy`` (None where the pair is incomplete); None when there is no such
    baseline."""
    if baseline not in baselines.there(study):
        return None
    pairs = paired_reductions(
        emissions_by_seed(study, policy, boundary), emissions_by_seed(study, baseline, boundary)
    )
    return [pairs.get(seed) for seed in study.runs[policy]]


def with_category(lines: pd.DataFrame) -> pd.DataFrame:
    """``lines`` with a ``category`` column: own lines first, then waste, then the life-cycle stage."""
    category = lines["stage"].where(lines["component"] != "waste", "waste")
    category = category.where(lines["component"] != Component.NETWORK, str(Holder.NETWORK))
    category = category.where(~lines["node_id"].isin(HOLDERS), lines["node_id"])
    return lines.assign(category=category)


def by_category(study: Study, value: str) -> pd.DataFrame:
    """Mean over seeds of ``value`` (``operational_g`` or ``energy_j``): rows policies, columns categories
    in order."""
    rows: dict[str, pd.Series] = {}
    for policy, by_seed in study.runs.items():
        sums = [
            with_category(run.tables["lines"]).groupby("category")[value].sum() for run in by_seed.values()
        ]
        rows[policy] = pd.concat(sums, axis=1).fillna(0.0).mean(axis=1)
    frame = pd.DataFrame(rows).T.reindex(index=list(study.policies)).fillna(0.0)
    known = [name for name in CATEGORIES if name in frame.columns]
    return frame[known + sorted(set(frame.columns) - set(known))]


@dataclass(frozen=True, slots=True)
class Check:
    """One book-keeping identity over all runs of the study: the largest relative residual found."""

    name: str
    equation: str
    residual_fraction: float

    @property
    def holds(self) -> bool:
        return self.residual_fraction <= RESIDUAL_ALLOWED_FRACTION


def _residual(left: Any, right: Any) -> float:
    left, right = np.asarray(left, dtype=float), np.asarray(right, dtype=float)
    if left.size == 0:
        return 0.0
    if not (np.isfinite(left).all() and np.isfinite(right).all()):
        return 1.0  # a metered slot lacks a figure: a balance that cannot be checked does not close
    scale = max(float(np.abs(left).max()), float(np.abs(right).max()), 1e-9)
    return float(np.abs(left - right).max()) / scale


def _run_checks(run: Run) -> dict[tuple[str, str], float]:
    s = run.tables["slots"][run.tables["slots"]["metered"]]
    lines = run.tables["lines"]
    posted = run.tables["energy_flows"].query("status == 'posted'")
    per_node = s.groupby("node_id")
    nodes = per_node["demand_j"].sum().index
    line_energy = lines.groupby("node_id")["energy_j"].sum().reindex(nodes, fill_value=0.0)
    line_grams = lines.groupby("node_id")["operational_g"].sum().reindex(nodes, fill_value=0.0)
    totals_j = run.tables["nodes"].set_index("node_id")["demand_j"].reindex(nodes)
    return {
        ("Demand is met: grid + green = demand", "(D1)"): _residual(
            s["grid_j"] + s["green_j"], s["demand_j"]
        ),
        ("Green bus: harvest + discharge + import = green + charge + export + curtailed", "(D2)"): _residual(
            s["harvest_j"] + s["discharge_j"] + s["import_j"],
            s["green_j"] + s["charge_j"] + s["export_j"] + s["curtailed_j"],
        ),
        ("Battery: after = before − self-discharge + charge − discharge − losses", "(D3)"): _residual(
            s["battery_before_j"]
            - s["self_discharge_j"]
            + s["charge_j"]
            - s["charge_loss_j"]
            - s["discharge_j"]
            - s["discharge_loss_j"],
            s["battery_after_j"],
        ),
        ("Attributed + unallocated = metered, per node", "(L2)"): _residual(
            line_energy, per_node["demand_j"].sum()
        ),
        ("Grams by line = grams by slot, per node", "(L1)"): _residual(
            line_grams, per_node["operational_g"].sum()
        ),
        ("Node totals = sum over slots", ""): _residual(totals_j, per_node["demand_j"].sum()),
        ("Transfers received = imports booked", ""): _residual(
            posted["received_j"].sum(), s["import_j"].sum()
        ),
        ("Transfers sent = exports booked", ""): _residual(posted["sent_j"].sum(), s["export_j"].sum()),
    }


def checks(study: Study) -> list[Check]:
    """The identities, each with its largest relative residual over all runs: metered slots only, 1 where one of
    them lacks a figure."""
    worst: dict[tuple[str, str], float] = {}
    for run in study:
        for key, residual in _run_checks(run).items():
            worst[key] = max(worst.get(key, 0.0), residual)
    return [Check(name, equation, residual) for (name, equation), residual in worst.items()]


def status_kind(status: str) -> str:
    """``optimal``, ``feasible``, ``rule``, ``fallback`` ...: the first word of a decision's status."""
    return status.split(":", 1)[0].split("(", 1)[0].strip().split(" ", 1)[0].lower() or "unknown"


@dataclass(frozen=True, slots=True)
class DecisionCounts:
    """Decisions of a run by outcome, in slots."""

    slots: int
    optimal: int
    feasible: int
    """Keeps every limit, gap known (``timed_out_plan`` included)."""
    infeasible: int
    rule: int
    fallback: int
    """Replaced by LOCAL's rule (``timed_out_local`` included)."""
    timed_out_plan: int
    """Time limit of the solver: its best plan, with its gap where a bound was known."""
    timed_out_local: int
    """Time limit of the solver without a usable plan: LOCAL's rule."""
    largest_gap_fraction: float | None

    @property
    def timed_out(self) -> int:
        return self.timed_out_plan + self.timed_out_local


def decision_counts(run: Run) -> DecisionCounts:
    """Counts over the slots of ``run``."""
    frame = run.tables["decisions"]
    kinds = frame["status"].map(status_kind)
    late = frame["status"].str.contains(TIME_LIMIT, regex=False)
    gaps = frame["gap_fraction"].dropna()
    return DecisionCounts(
        slots=len(frame),
        **{
            kind: int((kinds == kind).sum())
            for kind in ("optimal", "feasible", "infeasible", "rule", "fallback")
        },
        timed_out_plan=int((late & (kinds != "fallback")).sum()),
        timed_out_local=int((late & (kinds == "fallback")).sum()),
        largest_gap_fraction=float(gaps.max()) if len(gaps) else None,
    )
