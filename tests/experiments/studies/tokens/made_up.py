"""Results of the study's cells as they could have been, without a model or a server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edge_node.config import BoardConfig
from experiments.studies.tokens.measured.batches import CostsCell
from experiments.studies.tokens.measured.files import ALL
from experiments.studies.tokens.measured.handed_over import HandOverCell
from experiments.studies.tokens.measured.lengths import LengthsCell
from experiments.studies.tokens.measured.perplexity import PerplexityCell
from experiments.studies.tokens.modelled.batching import Release
from experiments.studies.tokens.modelled.costs import NodeCosts
from experiments.studies.tokens.modelled.one_node import BatchingCell, WakingCell
from experiments.studies.tokens.modelled.routing import POLICIES, RoutingCell
from experiments.studies.tokens.modelled.waking import Waking

COSTS = NodeCosts((0.01, 0.008, 2.5e-6), (0.006, 0.011, 1.4e-5), 1.5, 23_060.0)
READ = dict(zip(ALL, (0.008, 0.005, 0.009, 0.012), strict=True))
BOARD = BoardConfig(
    name="made-up",
    static_w=3.0,
    busy_w=6.0,
    sleep_w=0.1,
    wake_j=10.0,
    wake_s=20.0,
    effective_flop_per_s=1e9,
    tx_j_per_byte=4e-8,
    rx_j_per_byte=4e-8,
    storage_bytes=1 << 28,
)


def results_of(jobs: Sequence[Any], *rest: Any, **more: Any) -> tuple[list[dict[str, Any]], int]:
    """In place of ``run_jobs``."""
    return [result_of(job) for job in jobs], len(jobs)


def result_of(job: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    match job:
        case LengthsCell():
            wobble = 1.0 + 0.01 * job.repeat
            found = {
                "rows": [
                    {
                        "kind": kind,
                        "phase": phase,
                        "tokens": length,
                        "j_per_token": wobble * (READ[kind] if phase == "prefill" else 0.018),
                    }
                    for kind in ALL
                    for length in job.lengths
                    for phase in ("prefill", "decode")
                ],
                "requests": [{"kind": kind, "energy_j": wobble * 2.0, "bits": 2000} for kind in ALL],
            }
        case CostsCell():
            lengths = np.array(job.lengths)
            steps = [
                {
                    "requests": batch,
                    "context": context + job.steps / 2,
                    "asked_context": context,
                    "energy_j": COSTS.step_j(np.full(batch, context + job.steps / 2)),
                }
                for context in job.contexts
                for batch in job.batches
            ]
            prefill = [
                {"tokens": int(n), "energy_j": float(j)}
                for n, j in zip(lengths, COSTS.read_j(lengths), strict=True)
            ]
            found = {"prefill": prefill, "steps": steps, "watts": COSTS.watts}
        case HandOverCell():
            found = {
                "rows": [
                    {
                        "tokens": length,
                        "whole_j": 0.008 * length + 0.5,
                        "read_j": 0.008 * length,
                        "hand_over_j": 0.01 + 0.001 * job.repeat,
                        "write_j": 0.5,
                        "bytes": 23_060 * length,
                        "radio_j": 0.002 * length,
                        "restored_prompt_n": 1,
                        "same": True,
                    }
                    for length in job.lengths
                ]
            }
        case PerplexityCell():
            found = {
                "nats": [3.5 + 0.1 * k + (0.05 + 0.01 * k) * (job.kind == "Q4_0") for k in range(job.windows)]
            }
        case RoutingCell():
            found = {
                "rows": [_routed(policy, place, job) for place, policy in enumerate(POLICIES)],
                "left_out_fraction": 0.15,
            }
        case BatchingCell():
            found = {"rows": [_released(rule, place, job) for place, rule in enumerate(Release)]}
        case WakingCell():
            found = {"rows": [_slept(rule, place, job) for place, rule in enumerate(Waking)]}
    return found


def _routed(policy: str, place: int, job: RoutingCell) -> dict[str, Any]:
    return {
        "policy": policy,
        "g_per_1000_tokens": 0.005 - 0.001 * min(place, 2) + 1e-5 * job.seed,
        "serving_g_per_1000_tokens": 1e-4,
        "serving_j": 2e5,
        "network_j": 1.0,
        "moved_fraction": 0.1 * place,
        "handed_over_fraction": 0.0,
        **{f"{what}_{which}_s": 5.0 for what in ("first_token", "answer") for which in ("median", "p95")},
        "late_fraction": 0.05,
        "plan_difference_fraction": 0.001,
    }


def _released(rule: Release, place: int, job: BatchingCell) -> dict[str, Any]:
    return {
        "rule": str(rule),
        "load": job.load,
        "link_bit_per_s": job.link_bit_per_s,
        "largest": job.largest,
        "longest_wait_s": job.longest_wait_s,
        "j_per_token": 0.012 - 0.001 * place,
        "tree_bit_per_j": 6e6,
        "mean_batch": 1.0 + place,
        "answer_median_s": 5.0,
        "answer_p95_s": 20.0 - place,
        "stood_still_fraction": 0.01,
    }


def _slept(rule: Waking, place: int, job: WakingCell) -> dict[str, Any]:
    return {
        "rule": str(rule),
        "gap_s": 50.0 * job.thinned,
        "idle_s": job.habits.idle_s,
        "early_quantile": job.habits.early_quantile,
        "late_quantile": job.habits.late_quantile,
        "gaps": job.habits.gaps,
        "j_per_token": 0.1,
        "g_per_1000_tokens": (0.03, 0.01, 0.02)[place],
        "wakes_per_hour": 10.0,
        "mean_wait_s": (0.0, 15.0, 5.0)[place],
        "p95_wait_s": 20.0,
        "waiting_fraction": 0.5,
    }
