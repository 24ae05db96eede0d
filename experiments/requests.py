"""Load of the application stage, node by node: rates and arrival times from the scenario's ``[inference]``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from carbon_data.sources.table import read_table
from edge_node.config import BoardConfig, InferenceConfig
from experiments.errors import RunError, UsageError
from protos.messages import Stage

if TYPE_CHECKING:
    from experiments.scenario import NodeSpec, Scenario

BITS_PER_BYTE = 8
DEGREES_PER_HOUR = 15.0
MAX_REQUESTS_PER_SLOT = 1_000_000
"""Of one node; each is followed from its arrival to its answer."""


def node_inference(
    scenario: Scenario,
    specs: Sequence[NodeSpec],
    stages: Sequence[Stage],
    boards: Sequence[BoardConfig],
    task: str,
    slot_s: float,
) -> tuple[InferenceConfig, ...]:
    """What every node is told of its requests. Raises UsageError for a trace that cannot be used."""
    spec = scenario.inference
    common = InferenceConfig(
        batches_per_slot=spec.batches_per_slot,
        requests_per_batch=spec.requests_per_batch,
        max_wait_s=spec.max_wait_s,
        latency_target_s=spec.latency_target_s,
        link_bytes_per_s=scenario.network.link_bit_per_s / BITS_PER_BYTE,
    )
    if spec.arrivals == "batches" or Stage.APPLICATION not in stages:
        return (common,) * len(specs)
    if spec.arrivals == "trace":
        assert spec.path is not None
        names = [f"n{i:0{len(str(len(specs) - 1))}d}" for i in range(len(specs))]
        first_s = stages.index(Stage.APPLICATION) * slot_s
        traces = read_trace(spec.path, names)
        _require_arrivals(spec.path, traces, stages.count(Stage.APPLICATION), slot_s)
        return tuple(
            common.model_copy(update={"arrivals": "times", "times_s": tuple(first_s + t for t in times)})
            for times in traces
        )
    rates = [
        _rates(scenario, node, board, task, slot_s, len(stages))
        for node, board in zip(specs, boards, strict=True)
    ]
    if (busiest := max(max(each) for each in rates) * slot_s) > MAX_REQUESTS_PER_SLOT:
        raise UsageError(
            f"about {busiest:.3g} requests would reach a node in one slot; allowed are up to {MAX_REQUESTS_PER_SLOT}: "
            "lower batches_per_slot, requests_per_s or load_fraction, or shorten time.slot_s"
        )
    return tuple(common.model_copy(update={"arrivals": "poisson", "rate_per_s": each}) for each in rates)


def _require_arrivals(path: Path, traces: Sequence[Sequence[float]], slots: int, slot_s: float) -> None:
    """Raises RunError where not one request arrives within the stage: a run that serves nobody shows nothing."""
    times = [time for trace in traces for time in trace]
    if times and min(times) < slots * slot_s:
        return
    first = f"the first comes at {min(times):g} s" if times else "there are none"
    raise RunError(
        f"{path}: all {len(times)} arrivals fall outside the application stage: {first}, and the stage's {slots} slots "
        f"of {slot_s:.4g} s end at {slots * slot_s:.4g} s; arrival_s counts seconds of slot time from the first "
        "application slot: rescale it, or lengthen time.slot_s or stages.application"
    )


def _rates(
    scenario: Scenario, node: NodeSpec, board: BoardConfig, task: str, slot_s: float, slots: int
) -> tuple[float, ...]:
    """Mean requests per second in each slot."""
    from edge_node.serving.arrivals import diurnal_rates
    from edge_node.tasks.registry import find_task

    spec = scenario.inference
    if spec.requests_per_s is not None:
        mean_per_s = spec.requests_per_s
    elif spec.load_fraction is not None:
        mean_per_s = spec.load_fraction * board.effective_flop_per_s / find_task(task).serve_flop()
    else:
        mean_per_s = spec.batches_per_slot * spec.requests_per_batch / slot_s
    if spec.arrivals == "poisson":
        return (mean_per_s,) * slots
    step = timedelta(seconds=scenario.time.trace_step_s)
    middles = [scenario.time.start + (slot + 0.5) * step for slot in range(slots)]
    shift = _longitude_deg(node) / DEGREES_PER_HOUR
    utc = [middle.astimezone(UTC) for middle in middles]
    hours = [(t.hour + t.minute / 60 + t.second / 3600 + shift) % 24 for t in utc]
    return diurnal_rates(mean_per_s, hours, spec.peak_hour, spec.depth_fraction)


def _longitude_deg(node: NodeSpec) -> float:
    """Of the node itself, else of its zone's site."""
    from carbon_data.sources.sites import zone_sites

    if node.longitude_deg is not None:
        return node.longitude_deg
    site = zone_sites().get(node.zone)
    if site is None:
        raise UsageError(
            f"zone {node.zone} has no site on record: diurnal arrivals need the node's longitude_deg"
        )
    return site.longitude_deg


def read_trace(path: Path, names: Sequence[str]) -> list[tuple[float, ...]]:
    """Ascending arrival times by node, seconds from the first application slot; without a column
    ``node_id`` every node gets all of them.
    """
    try:
        table = read_table(path)
        times = table.numbers("arrival_s")
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(f"{path}: needs a CSV with a column arrival_s of numbers ({error})") from None
    if not (np.isfinite(times) & (times >= 0)).all():
        raise UsageError(f"{path}: arrival_s holds something that is no time >= 0")
    if "node_id" not in table.columns:
        return [tuple(sorted(times.tolist()))] * len(names)
    owners = table.frame["node_id"].astype(str).to_numpy()
    if strangers := sorted(set(owners) - set(names)):
        raise UsageError(f"{path}: node_id names {strangers[:5]}; nodes are {', '.join(names[:20])}")
    return [tuple(sorted(times[owners == name].tolist())) for name in names]
