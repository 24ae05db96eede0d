"""Requests to a language model in a slot: their joules, out of the slot's lines. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from carbon_data.units import to_micro
from edge_node.meters.base import spread
from edge_node.serving.request_times import TimedUse
from edge_node.workload import Aside, RequestUse
from protos.messages.slot import EnergyLine, ServedRequest
from protos.messages.terms import Component, RequestPart, Stage
from protos.packed import packed_bytes
from protos.validation import safe_text

REASON_LETTERS = 200
MOST_ANSWER_BYTES = 64 * 1024
"""Of the answers of turns in a reading, which has 256 KiB in all (choice): of a conversation whose answers are not in
the ledger, the text is lost with its node. Scenarios whose users ask one node for more are refused; more may come
together at a node after the loss of others."""


def served(
    asked: Sequence[TimedUse], lines: Iterable[EnergyLine]
) -> tuple[tuple[ServedRequest, ...], int | None]:
    """(requests as reported, waste of none of them): the lines of the application stage, divided over the requests in
    whole microjoules.

    Computation goes to answered requests by what each read in its own window (by seconds where any has no reading), and
    within a request to prompt and answer by the server's timings; static power to all by their seconds. Waste goes to
    those that failed, and to what was done aside for those that were answered, which is no request's. Where none was
    answered, computation is waste too.
    """
    if not asked:
        return (), None
    energies = dict.fromkeys((Component.COMPUTE, Component.STATIC, Component.WASTE), 0)
    for line in lines:
        if line.stage is Stage.APPLICATION and line.component in energies:
            energies[line.component] += line.energy_uj
    uses = [each.use for each in asked]
    failed = [bool(use.failed) for use in uses]
    windows: list[RequestUse | Aside] = [*uses, *(each for use in uses for each in use.aside)]
    read = all(window.compute_j is not None for window in windows)

    def weight(window: RequestUse | Aside) -> float:
        return (window.compute_j or 0.0) if read else window.seconds

    weights = [weight(use) for use in uses]
    asides = [sum(weight(each) for each in use.aside) for use in uses]
    of_work = [own * (not is_failed) for own, is_failed in zip(weights, failed, strict=True)]
    work = _divided(energies[Component.COMPUTE], weights if all(failed) else of_work, failed, all(failed))
    static = spread(energies[Component.STATIC], [use.seconds for use in uses])
    lost = [(own + aside) * bad for own, aside, bad in zip(weights, asides, failed, strict=True)]
    other = sum(aside * (not bad) for aside, bad in zip(asides, failed, strict=True))
    # Without a weight, all of it is no request's.
    other_uj, *waste = spread(energies[Component.WASTE], [other, *lost])
    divided = zip(work, static, waste, strict=True)
    return _within(_served(each, *own) for each, own in zip(asked, divided, strict=True)), other_uj


def _within(told: Iterable[ServedRequest]) -> tuple[ServedRequest, ...]:
    """Without the answers of turns beyond what a reading has room for."""
    found, left = [], MOST_ANSWER_BYTES
    for each in told:
        size = packed_bytes(each.answer)
        found.append(each if size <= left else replace(each, answer=(), answer_bytes=0))
        left -= size if size <= left else 0
    return tuple(found)


def _divided(total_uj: int, weights: Sequence[float], failed: Sequence[bool], to_any: bool) -> list[int]:
    """Over the requests that were answered, or over ``to_any``."""
    takers = [k for k, is_failed in enumerate(failed) if to_any or not is_failed]
    found = [0] * len(weights)
    for k, part in zip(takers, spread(total_uj, [weights[k] for k in takers]), strict=True):
        found[k] = part
    return found


def _served(each: TimedUse, work_uj: int, static_uj: int, waste_uj: int) -> ServedRequest:
    use, energy_uj = each.use, work_uj + static_uj
    if use.failed:
        prefill_uj = decode_uj = 0
        waste_uj += energy_uj
    else:
        prefill_uj, decode_uj = spread(energy_uj, [use.prefill_fraction, 1.0 - use.prefill_fraction])
    return ServedRequest(
        owner=each.owner,
        batch_id=each.batch_id,
        place=each.place,
        cached_tokens=use.cached_tokens,
        prefilled_tokens=use.prefilled_tokens,
        tokens_out=use.tokens_out,
        prefill_uj=prefill_uj,
        decode_uj=decode_uj,
        waste_uj=waste_uj,
        half_width_uj=None if use.half_width_j is None else to_micro(use.half_width_j),
        latency_s=max(0.0, each.latency_s),
        first_token_s=None if use.failed or use.part is RequestPart.READ else max(0.0, each.first_token_s),
        token_gap_s=None if each.token_gap_s is None else max(0.0, each.token_gap_s),
        content_bits=use.content_bits,
        wire_bytes=use.up_bytes + use.down_bytes,
        failed=safe_text(use.failed, REASON_LETTERS),
        part=use.part,
        cache_bytes=use.cache_bytes,
        same=use.same,
        answer=use.answer,
        answer_bytes=use.answer_bytes,
    )
