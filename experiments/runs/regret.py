"""Regret of live runs: what a run's nodes and parcels emitted, less the perfect-foresight optimum of the same day.

The bound (coordinator.simulator.regret) knows the realised harvest, work, intensities and physics of the run's seed and
has every freedom of (D0)-(D8); it is no run, and is labelled so wherever it is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from carbon_data.units import JOULES_PER_KWH
from coordinator.market.solve import SolverOptions
from coordinator.simulator.regret import Bound, NoBoundError, oracle_bound
from edge_node.config import InferenceConfig
from experiments.report.read import Run

if TYPE_CHECKING:
    from coordinator.market.fleet import Fleet, Ints
    from experiments.resolve.resolved import Resolved

BOUND_TIME_LIMIT_S = 30.0
"""For a bound with sleeping nodes, whose proof may take minutes; its gap is stated."""
NEGLIGIBLE_FRACTION = 1e-6
"""Of the bound: microjoules of the books, and the solver's tolerance."""
IN_IT = (
    "grid energy of the edge nodes (static, compute, radio of moved batches, of models, of requests, answers and data, "
    "waking) at the intensity of its slot, and the network energy of moved batches at the mean intensity of both ends: "
    "the objective "
    "(D0), from the booked joules"
)
NOT_IN_IT = (
    "coordinator and router; outside clients and negotiation, on the nodes' radio and in the network; users' devices; "
    "requests, answers, data and model parameters in the network; embodied emissions"
)


@dataclass(frozen=True, slots=True)
class Regret:
    """A run beside the bound of its day; grams CO2e."""

    policy: str
    seed: int
    comparable_g: float
    """What of the booked grams (D0) speaks of."""
    bound_g: float | None
    """Proven lower bound; None: there is none, and ``note`` says why."""
    plan_g: float | None
    """Of the plan found: equal to the bound but for ``gap_fraction``."""
    gap_fraction: float | None
    regret_g: float | None
    """comparable_g - bound_g."""
    regret_fraction: float | None
    """Of bound_g; None where that is zero."""
    undone_batches: int
    """Released and not run. Above zero: the bound is that of the work this run did, where and when it was due."""
    note: str = ""
    """Why there is no bound, or why regret is below zero."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def regret_of(resolved: Resolved, run: Run, fleet: Fleet, day: Bound | str) -> Regret:
    """Regret of ``run``. ``fleet`` and ``day``: its whole run (foresight.whole_run) and the bound of it, or why there
    is none."""
    grams = comparable_g(run.tables, resolved.net_j_per_byte)
    released = released_batches(fleet)
    done = done_batches(run.tables, resolved.node_ids, released.shape[1])
    undone = int(np.maximum(released.sum(axis=1) - done.sum(axis=1), 0).sum())
    found = day
    if missing := int((~run.tables["slots"]["metered"]).sum()):
        found = f"{missing} node-slots have no reading: what they emitted is not known"
    elif undone:
        moved = _moved_batches(run.tables, resolved.node_ids, released.shape[1])
        found = bound_or_reason(only_done(fleet, done, moved))
    if isinstance(found, str):
        return Regret(run.policy, run.seed, grams, None, None, None, None, None, undone, found)
    regret = grams - found.objective_g
    return Regret(
        policy=run.policy,
        seed=run.seed,
        comparable_g=grams,
        bound_g=found.objective_g,
        plan_g=found.plan_g,
        gap_fraction=found.gap_fraction,
        regret_g=regret,
        regret_fraction=regret / found.objective_g if found.objective_g > 0 else None,
        undone_batches=undone,
        note=_note(resolved, regret, found),
    )


def _note(resolved: Resolved, regret: float, found: Bound) -> str:
    """Why regret is below zero; empty where it is not."""
    if regret >= -NEGLIGIBLE_FRACTION * max(found.objective_g, 1e-9):
        return ""
    reasons = []
    if measuring := [meter for meter in dict.fromkeys(resolved.meters) if meter != "modelled"]:
        reasons.append(
            f"meter {', '.join(measuring)} read other joules than the boards' models, which the bound uses"
        )
    if any(one.arrivals != InferenceConfig().arrivals for one in resolved.inference):
        reasons.append("batches of requests differ in size, the bound takes each node's mean")
    if any(one.between != InferenceConfig().between for one in resolved.inference):
        reasons.append("boards slept between batches, the bound keeps a board awake for its whole slot")
    return "below the bound: " + ("; ".join(reasons) or "NOT EXPLAINED, one of the two is wrong")


def bound_or_reason(fleet: Fleet) -> Bound | str:
    """The bound of a whole run, or why there is none."""
    limit_s = BOUND_TIME_LIMIT_S if fleet.limits.may_sleep else None
    try:
        return oracle_bound(fleet, options=SolverOptions(time_limit_s=limit_s))
    except NoBoundError as error:
        return str(error)


def released_batches(fleet: Fleet) -> Ints:
    """(N, T) d_i(r) of a whole run."""
    first = fleet.backlog_batches.sum(axis=1, keepdims=True)
    return np.hstack([first, fleet.release_batches])


def only_done(fleet: Fleet, done: Ints, moved: Ints) -> Fleet:
    """The whole run with the work that was done in place of what was released, to be run in the slots it ran in.

    Moved batches may be a larger share of what was done than of what was released: the cap is as large as it must be
    for the run itself to keep it."""
    share = np.divide(moved, done, out=np.zeros(done.shape), where=done > 0)
    limits = replace(
        fleet.limits,
        deadline_slots=0,
        offload_cap_fraction=float(max(fleet.limits.offload_cap_fraction, share.max(initial=0.0))),
    )
    return replace(
        fleet,
        limits=limits,
        backlog_batches=done[:, :1].copy(),
        release_batches=done[:, 1:].copy(),
        offload_room_batches=None,
        release_last_slot=None,
    )


def _moved_batches(
    tables: Mapping[str, pd.DataFrame], node_ids: tuple[str, ...], slots: int, end: str = "owner"
) -> Ints:
    """(N, T) batches that went over the network, by ``owner`` or ``executor``."""
    flows = tables["batch_flows"]
    sums = flows[flows["owner"] != flows["executor"]].groupby([end, "slot"])["batches"].sum()
    return _matrix(sums, node_ids, slots)


def done_batches(tables: Mapping[str, pd.DataFrame], node_ids: tuple[str, ...], slots: int) -> Ints:
    """(N, T) batches of each owner that were run, at home or elsewhere."""
    at_home = tables["slots"].fillna({"executed_batches": 0, "guest_batches": 0, "offloaded_batches": 0})
    own = at_home["executed_batches"] - at_home["guest_batches"] + at_home["offloaded_batches"]
    sums = at_home.assign(own=own).groupby(["node_id", "slot"])["own"].sum()
    return np.maximum(_matrix(sums, node_ids, slots), 0)


def _matrix(sums: pd.Series, node_ids: tuple[str, ...], slots: int) -> Ints:
    table = sums.unstack(fill_value=0).reindex(index=list(node_ids), columns=range(slots), fill_value=0)
    return np.asarray(table.to_numpy(dtype=np.float64).round(), dtype=np.int64)


def comparable_g(tables: Mapping[str, pd.DataFrame], net_j_per_byte: float) -> float:
    """IN_IT in grams: (D0) as it happened, from the joules of a run's tables (older runs have their grams rounded).

    A node's grid energy less what of it its radio drew for outside clients and markets, as the books attribute it: in
    proportion to energy."""
    slots = tables["slots"]
    intensity = slots.set_index(["slot", "node_id"])["intensity_g_per_kwh"]
    nodes_g = float((slots["grid_j"] * slots["intensity_g_per_kwh"]).sum()) / JOULES_PER_KWH
    flows = tables["batch_flows"]
    flows = flows[flows["owner"] != flows["executor"]]
    parcels_g = 0.0
    for end in ("owner", "executor"):
        at = pd.MultiIndex.from_frame(flows[["slot", end]], names=["slot", "node_id"])
        values = intensity.reindex(at).to_numpy(dtype=float)
        parcels_g += float((flows["payload_bytes"].to_numpy(dtype=float) * values).sum()) / 2
    parcels_g *= net_j_per_byte / JOULES_PER_KWH
    return nodes_g - _other_radio_g(tables, intensity) + parcels_g


def _other_radio_g(tables: Mapping[str, pd.DataFrame], intensity: pd.Series) -> float:
    """Grams of the nodes' radio that no plan knows of: outside clients, markets."""
    nodes = tables["nodes"].set_index("node_id")
    slots = tables["slots"].set_index(["slot", "node_id"])
    lines = tables["lines"][tables["lines"]["node_id"].isin(nodes.index)]
    total = 0.0
    for component, way in (("radio_tx", "down"), ("radio_rx", "up")):
        booked = (
            lines[lines["component"] == component].groupby(["slot", "node_id"])[["energy_j", "grid_j"]].sum()
        )
        booked = booked[booked["energy_j"] > 0]
        per_byte = nodes[f"{component.removeprefix('radio_')}_j_per_byte"].astype(float)
        outside = slots[f"outside_{way}_bytes"].reindex(booked.index).fillna(0).to_numpy(dtype=float)
        outside_j = outside * per_byte.reindex(booked.index.get_level_values("node_id")).to_numpy(dtype=float)
        share = np.clip(outside_j / booked["energy_j"].to_numpy(dtype=float), 0.0, 1.0)
        grid_j = booked["grid_j"].to_numpy(dtype=float) * share
        total += float((grid_j * intensity.reindex(booked.index).to_numpy(dtype=float)).sum())
    said_j = lines[lines["component"] == "negotiation"].groupby(["slot", "node_id"])["grid_j"].sum()
    total += float(
        (said_j.to_numpy(dtype=float) * intensity.reindex(said_j.index).to_numpy(dtype=float)).sum()
    )
    return total / JOULES_PER_KWH
