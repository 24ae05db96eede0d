"""Tables of what was measured: means with 95 % intervals over rounds, ratios pair by pair. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from coordinator.accounting.tree import Window, efficiency
from edge_node.language.step_cost import Fitted, Prefill, Step, fit_prefill, fit_step
from experiments.report.stats import Estimate, estimate
from experiments.studies.tokens.extent import REFERENCE_TOKENS
from experiments.studies.tokens.measured.files import OWN
from experiments.studies.tokens.measured.lengths import REQUEST_IN, REQUEST_OUT

Results = Sequence[Mapping[str, Any]]


def spread_of(values: Sequence[float], name: str) -> dict[str, float | None]:
    """Mean and the ends of its interval as columns."""
    found = estimate(values)
    return {name: found.mean, f"{name}_low": found.low, f"{name}_high": found.high}


def contexts_table(rounds: Results) -> pd.DataFrame:
    """Joules a token by ``kind``, ``phase`` and ``tokens`` of the prompt."""
    rows = pd.DataFrame([row for each in rounds for row in each["rows"]])
    return pd.DataFrame(
        [
            {
                "kind": kind,
                "phase": phase,
                "tokens": tokens,
                **spread_of(own["j_per_token"].tolist(), "j_per_token"),
            }
            for (kind, phase, tokens), own in rows.groupby(["kind", "phase", "tokens"], sort=True)
        ]
    )


def kinds_table(
    rounds: Results,
    nats: Mapping[str, Sequence[float]],
    sizes: Mapping[str, int],
    alpha_bits_per_token: float,
) -> pd.DataFrame:
    """A row a kind at REFERENCE_TOKENS: joules of a token read and written, TREE of a request, perplexity and its ratio
    to the file's own."""
    found = []
    for kind in sizes:
        trees = [
            efficiency(
                Window(one["bits"], REQUEST_IN, REQUEST_OUT, one["energy_j"]), alpha_bits_per_token
            ).tree_bit_per_j
            for each in rounds
            for one in each["requests"]
            if one["kind"] == kind
        ]
        found.append(
            {
                "kind": kind,
                "file_bytes": sizes[kind],
                **spread_of(at_reference(rounds, kind, "prefill"), "prefill_j_per_token"),
                **spread_of(at_reference(rounds, kind, "decode"), "decode_j_per_token"),
                **spread_of([tree for tree in trees if tree is not None], "tree_bit_per_j"),
                **_exponential(estimate(nats[kind]), "perplexity"),
                **_exponential(perplexity_ratio(nats, kind), "perplexity_ratio"),
            }
        )
    return pd.DataFrame(found)


def at_reference(rounds: Results, kind: str, phase: str) -> list[float]:
    """Joules a token of every round, at REFERENCE_TOKENS."""
    wanted = (kind, phase, REFERENCE_TOKENS)
    return [
        row["j_per_token"]
        for each in rounds
        for row in each["rows"]
        if (row["kind"], row["phase"], row["tokens"]) == wanted
    ]


def ratio_to_own(rounds: Results, kind: str, phase: str) -> Estimate:
    """Joules a token of ``kind`` over the file's own, round by round."""
    pairs = zip(at_reference(rounds, kind, phase), at_reference(rounds, OWN, phase), strict=True)
    return estimate([one / own for one, own in pairs])


def perplexity_ratio(nats: Mapping[str, Sequence[float]], kind: str) -> Estimate:
    """Logarithm of the ratio of perplexities of ``kind`` and the file's own, window by window."""
    return estimate([one - own for one, own in zip(nats[kind], nats[OWN], strict=True)])


def _exponential(found: Estimate, name: str) -> dict[str, float | None]:
    ends = {"": found.mean, "_low": found.low, "_high": found.high}
    return {f"{name}{end}": None if value is None else math.exp(value) for end, value in ends.items()}


def batches_table(costs: Results) -> pd.DataFrame:
    """Joules of a written token by ``context`` and ``requests`` at once."""
    rows = pd.DataFrame([row for each in costs for row in each["steps"]])
    rows["j_per_token"] = rows["energy_j"] / rows["requests"]
    return pd.DataFrame(
        [
            {"context": context, "requests": batch, **spread_of(own["j_per_token"].tolist(), "j_per_token")}
            for (context, batch), own in rows.groupby(["asked_context", "requests"], sort=True)
        ]
    )


def batch_ratio(costs: Results) -> Estimate:
    """Joules of a token in the largest batch over those of one alone, at REFERENCE_TOKENS, round by round."""
    found = []
    for each in costs:
        per_token = {
            row["requests"]: row["energy_j"] / row["requests"]
            for row in each["steps"]
            if row["asked_context"] == REFERENCE_TOKENS
        }
        found.append(per_token[max(per_token)] / per_token[1])
    return estimate(found)


def hand_over_table(rounds: Results) -> pd.DataFrame:
    """By length of prompt: joules whole, disaggregated and of its parts, bytes a token, answers that are the same."""
    rows = pd.DataFrame([row for each in rounds for row in each["rows"]])
    rows["apart_j"] = rows["read_j"] + rows["hand_over_j"] + rows["write_j"]
    rows["share"] = rows["hand_over_j"] / rows["read_j"]
    rows["ratio"] = rows["apart_j"] / rows["whole_j"]
    named = ("whole_j", "read_j", "hand_over_j", "write_j", "apart_j", "radio_j", "share", "ratio")
    return pd.DataFrame(
        [
            {
                "tokens": tokens,
                "answers": len(own),
                "same_answers": int(own["same"].sum()),
                "most_read_again": int(own["restored_prompt_n"].max()),
                "bytes_per_token": float((own["bytes"] / own["tokens"]).mean()),
                **{
                    key: value for name in named for key, value in spread_of(own[name].tolist(), name).items()
                },
            }
            for tokens, own in rows.groupby("tokens", sort=True)
        ]
    )


def fitted_costs(costs: Results) -> tuple[Fitted, Fitted, float]:
    """Cost of reading and of a step of writing, in joules, over all rounds, and the watts they were taken at. Every
    other measurement is held out."""
    read = sorted((row["tokens"], row["energy_j"]) for each in costs for row in each["prefill"])
    steps = sorted(
        (row["requests"] * row["context"], row["requests"], row["context"], row["energy_j"])
        for each in costs
        for row in each["steps"]
    )
    return (
        fit_prefill([Prefill(tokens, joules) for tokens, joules in read]),
        fit_step([Step(requests, context, joules) for _, requests, context, joules in steps]),
        float(costs[0]["watts"]),
    )
