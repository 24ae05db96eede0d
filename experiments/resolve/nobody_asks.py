"""Warnings about scenarios in which no request comes, where what they say of serving would be nothing, and about
requests of a trace that come too late."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from edge_node.config import InferenceConfig
from experiments.resolve.request_trace import outside
from experiments.scenario.model import Scenario
from protos.messages.terms import Stage


def nobody_asks(
    scenario: Scenario, inference: Sequence[InferenceConfig], stages: Sequence[Stage], slot_s: float
) -> tuple[str, ...]:
    """``inference``: of every node. Empty where requests are to be expected and served, or none are asked for."""
    serving = np.array([stage is Stage.APPLICATION for stage in stages], dtype=bool)
    if not serving.any():
        return tuple(
            f"{key} has no effect: there are no slots of application, in which nodes serve; give stages.application, "
            "or remove it"
            for key in _asked_for(scenario)
        )
    if scenario.inference.arrivals == "trace":
        return _after_the_stage(scenario, inference, serving, slot_s)
    if scenario.inference.arrivals not in ("batches", "poisson", "diurnal"):
        return ()
    expected = 0.0
    for node in inference:
        expected += _expected(node, serving, slot_s)
        if expected >= 1.0:
            return ()
    return (
        f"{expected:.2g} requests are to be expected in the {serving.sum()} slots of application, at all nodes "
        "together: only outside clients (--serve-for) are served there; raise inference.batches_per_slot, "
        "requests_per_s or load_fraction, or give stages.application = 0",
    )


def _after_the_stage(
    scenario: Scenario, inference: Sequence[InferenceConfig], serving: NDArray[np.bool_], slot_s: float
) -> tuple[str, ...]:
    """Of arrivals of a trace that come too late; those that all do are refused."""
    end = int(np.flatnonzero(serving)[-1]) + 1
    late, every, whose = outside([node.times_s for node in inference], end * slot_s)
    if not late:
        return ()
    spec, slots = scenario.inference, int(serving.sum())
    rescale = "rescale arrival_s" if spec.requests_per_s is None else "raise inference.requests_per_s"
    return (
        f"{late} of {every} arrivals{whose} in {spec.path} are left out: they come after the application stage, whose "
        f"{slots} slots of {slot_s:.4g} s end at {slots * slot_s:.4g} s; lengthen stages.application or time.slot_s, "
        f"or {rescale}",
    )


def _asked_for(scenario: Scenario) -> Iterator[str]:
    """Keys that say which requests come, where they were given."""
    spec = scenario.inference
    if spec.arrivals != type(spec).model_fields["arrivals"].default:
        yield f'inference.arrivals = "{spec.arrivals}"'
    if spec.services:
        yield "[[inference.services]]"


def _expected(node: InferenceConfig, serving: NDArray[np.bool_], slot_s: float) -> float:
    """Requests of a node in its slots of application, mean."""
    batches = node.batches_per_slot * node.requests_per_batch if node.arrivals == "batches" else 0
    rates = [node.rate_per_s, *(service.rate_per_s for service in node.services)]
    return float(
        batches * serving.sum() + slot_s * sum(np.asarray(rate)[serving].sum() for rate in rates if rate)
    )
