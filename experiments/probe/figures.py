"""Figures of a probe: joules per token, TREE and latency, by cell of the grid and altogether. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from coordinator.accounting.tree import Window, efficiency
from experiments.probe.answer import Answer
from experiments.probe.cost import Cost, Sample, fit
from experiments.probe.measure import Measured, Request
from experiments.report.stats import estimate


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean over requests, and the ends of its 95 % interval; None with one request."""

    mean: float
    low: float | None
    high: float | None


def spread(values: Sequence[float | None]) -> Spread | None:
    """None where any value is missing: a mean of the others would be of other requests."""
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return None
    found = estimate(known)
    return Spread(found.mean, found.low, found.high)


@dataclass(frozen=True, slots=True)
class Cell:
    """Requests of one length, or all of them (lengths None)."""

    tokens_in: int | None
    """As asked for."""
    tokens_out: int | None
    requests: int
    unread: int
    """Requests without a reading: they are in no figure of energy."""
    prompt_tokens: float
    """Mean, as the server counts."""
    cached_tokens: float | None
    generated_tokens: float
    first_token_s: Spread | None
    between_tokens_s: Spread | None
    duration_s: Spread | None
    energy_j: Spread | None
    """Of a request, above rest where the meter reads that too."""
    per_token_in_j: Spread | None
    """Of reading the prompt, by the share of time, over tokens that were read and not cached."""
    per_token_out_j: Spread | None
    tree_bit_per_j: float | None
    ee_bit_per_j: float | None
    content_bits: int
    """Of the texts of prompts and answers."""
    wire_bytes: int


@dataclass(frozen=True, slots=True)
class Probe:
    """What was found."""

    idle_w: float | None
    cells: list[Cell]
    whole: Cell
    cost: Cost | None

    def as_dict(self) -> dict[str, Any]:
        return {
            "idle_w": self.idle_w,
            "whole": asdict(self.whole),
            "cells": [asdict(cell) for cell in self.cells],
            "cost": None if self.cost is None else asdict(self.cost),
        }


def probe_of(measured: Measured, *, alpha_bits_per_token: float, counts_idle: bool) -> Probe:
    """``counts_idle``: the meter reads what the machine draws at rest, which is taken off by the window at rest.

    TREE and EE are over the joules of the request above rest; bits are those of the texts of prompts and answers, as in
    a run."""
    idle = measured.idle
    idle_w = idle.energy_j / idle.duration_s if idle is not None and counts_idle else None
    own = {id(one): _own_j(one, idle_w) for one in measured.requests}
    lengths = dict.fromkeys((one.wanted_in, one.wanted_out) for one in measured.requests)

    def cell(wanted: tuple[int | None, int | None], some: Sequence[Request]) -> Cell:
        return _cell(wanted, some, lambda one: own[id(one)], alpha_bits_per_token)

    cells = [
        cell(length, [one for one in measured.requests if (one.wanted_in, one.wanted_out) == length])
        for length in sorted(lengths)
    ]
    samples = [
        Sample(one.answer.prefilled, one.answer.tokens_out or 0, energy_j)
        for one in measured.requests
        if (energy_j := own[id(one)]) is not None
    ]
    return Probe(idle_w, cells, cell((None, None), measured.requests), fit(samples))


def _own_j(one: Request, idle_w: float | None) -> float | None:
    """Joules of a request above rest; None without a reading."""
    if one.joules is None:
        return None
    return one.joules.energy_j - (idle_w or 0.0) * one.joules.duration_s


def _cell(
    wanted: tuple[int | None, int | None],
    requests: Sequence[Request],
    own_j: Callable[[Request], float | None],
    alpha_bits_per_token: float,
) -> Cell:
    read = [(one.answer, energy_j) for one in requests if (energy_j := own_j(one)) is not None]
    answers = [one.answer for one in requests]
    parts = [_per_token(answer, energy_j) for answer, energy_j in read]
    bits = sum(answer.content_bits for answer, _ in read)
    tokens = (
        sum(answer.prompt_tokens or 0 for answer, _ in read),
        sum(answer.tokens_out or 0 for answer, _ in read),
    )
    energy_j = sum(energy_j for _, energy_j in read)
    ratios = efficiency(Window(bits, *tokens, max(0.0, energy_j)), alpha_bits_per_token)
    cached = [answer.cached_tokens for answer in answers]
    return Cell(
        tokens_in=wanted[0],
        tokens_out=wanted[1],
        requests=len(requests),
        unread=len(requests) - len(read),
        prompt_tokens=sum(answer.prompt_tokens or 0 for answer in answers) / len(answers),
        cached_tokens=None if None in cached else sum(one or 0 for one in cached) / len(cached),
        generated_tokens=sum(answer.tokens_out or 0 for answer in answers) / len(answers),
        first_token_s=spread([answer.first_s for answer in answers]),
        between_tokens_s=spread([gap for answer in answers if (gap := answer.between_s) is not None]),
        duration_s=spread([answer.duration_s for answer in answers]),
        energy_j=spread([energy_j for _, energy_j in read]),
        per_token_in_j=spread([part[0] for part in parts if part[0] is not None]),
        per_token_out_j=spread([part[1] for part in parts if part[1] is not None]),
        tree_bit_per_j=ratios.tree_bit_per_j,
        ee_bit_per_j=ratios.ee_bit_per_j,
        content_bits=bits,
        wire_bytes=sum(answer.wire_bytes for answer in answers),
    )


def _per_token(answer: Answer, energy_j: float) -> tuple[float | None, float | None]:
    """(joules per token read, per token written). The first token comes out of reading the prompt: writing is the
    others, and a request for one token has none."""
    share = answer.prefill_share()
    if share is None:
        return None, None
    written = (answer.tokens_out or 0) - 1
    return (
        energy_j * share / answer.prefilled if answer.prefilled > 0 else None,
        energy_j * (1.0 - share) / written if written > 0 else None,
    )
