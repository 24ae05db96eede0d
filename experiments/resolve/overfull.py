"""Runs of a language model on the wall clock whose batches find no time in their slots, refused before the run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_node.config import BoardConfig, InferenceConfig, LanguageConfig
from edge_node.language.calibrated import calibrated_cost
from edge_node.serving.arrivals import RequestPlan
from experiments.errors import UsageError
from experiments.resolve.chosen_policy import chosen_traits
from experiments.resolve.language import request_flop
from experiments.scenario.model import Scenario
from experiments.scenario.names import node_name
from protos.messages.terms import Stage

_SPARE = 1e-9
"""Relative: seconds are compared up to the last digits."""


def refuse_overfull(
    scenario: Scenario,
    boards: Sequence[BoardConfig],
    inference: Sequence[InferenceConfig],
    languages: Sequence[LanguageConfig | None],
    slot_s: float,
    stages: Sequence[Stage],
) -> None:
    """Raises UsageError where more batches stay undone than the scenario tolerates, by the seconds that policies plan
    with: those of the calibrated costs, else of counted operations at the board's speed.

    Where the policy moves work, all nodes' time counts as one: what is refused cannot be run wherever it goes."""
    plans = [
        RequestPlan.make(told, slot_s, stages, scenario.seed, place) for place, told in enumerate(inference)
    ]
    taken_s = [
        batch_s(language, board, plan)
        for language, board, plan in zip(languages, boards, plans, strict=True)
        if language is not None
    ]
    released = np.array([plan.released for plan in plans], dtype=np.int64)
    room = np.array([int(slot_s / seconds * (1.0 + _SPARE)) for seconds in taken_s], dtype=np.int64)
    if chosen_traits(scenario).restrictions.offloading:
        undone = undone_batches(released.sum(axis=0), int(room.sum()), scenario.limits.deadline_slots)
    else:
        undone = sum(
            undone_batches(own, int(most), scenario.limits.deadline_slots)
            for own, most in zip(released, room, strict=True)
        )
    total = int(released.sum())
    if not total or undone <= scenario.tolerance.unserved_fraction * total:
        return
    worst = int(np.argmax(released.max(axis=1) * taken_s))
    counted = languages[worst] is None or languages[worst].costs is None  # type: ignore[union-attr]
    how = (
        "by operations counted at the board's speed in training; task.llm.costs names what was measured"
        if counted
        else "by the calibrated costs"
    )
    raise UsageError(
        f"at least {undone} of {total} batches find no time in their slots of {slot_s:.4g} s on the wall clock: a "
        f"batch of {plans[worst].mean_size:.3g} requests takes {node_name(worst, len(boards))} {taken_s[worst]:.4g} s "
        f"({how}), "
        f"and {int(released[worst].max())} come in one slot. Lengthen time.slot_s; or lower "
        "inference.requests_per_batch, requests_per_s, prompt_tokens or answer_tokens; or raise limits.deadline_slots "
        "or tolerance.unserved_fraction"
    )


def batch_s(language: LanguageConfig, board: BoardConfig, plan: RequestPlan) -> float:
    """Seconds of a node's mean batch, as it registers them."""
    lengths = np.array(language.lengths or [(language.prompt_tokens, language.answer_tokens)], dtype=float)
    prompt, answer = (round(float(mean)) for mean in lengths.mean(axis=0))
    full = plan.inference.requests_per_batch
    told = calibrated_cost(language.costs, prompt, answer, full, language.at_once)
    if told is not None:
        return told.seconds * plan.mean_size / full
    mean = language.model_copy(update={"prompt_tokens": prompt, "answer_tokens": answer})
    return plan.mean_size * request_flop(mean) / board.effective_flop_per_s


def undone_batches(released: Sequence[int], room: int, deadline_slots: int) -> int:
    """Batches that are never run where each slot has ``room`` for so many, and each may wait ``deadline_slots``."""
    waiting: list[int] = []
    undone = 0
    for slot, count in enumerate(released):
        waiting.append(int(count))
        left = room
        for first in range(max(0, slot - deadline_slots), slot + 1):
            run = min(left, waiting[first])
            waiting[first] -= run
            left -= run
        if slot >= deadline_slots:
            undone += waiting[slot - deadline_slots]
    return undone + sum(waiting[max(0, len(waiting) - deadline_slots) :] if deadline_slots else [])
