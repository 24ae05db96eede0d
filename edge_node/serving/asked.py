"""Requests to a language model in a slot: when their tokens came, and their joules out of the slot's lines. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from carbon_data.units import to_micro
from edge_node.meters.base import spread
from edge_node.serving.tally import Service
from edge_node.workload import RequestUse
from protos.messages.slot import EnergyLine, ServedRequest
from protos.messages.terms import Component, RequestPart, Stage
from protos.validation import safe_text

REASON_LETTERS = 200
TOKEN_BYTES = 5
"""Of a token in a message, at most: numbers below 2^35."""
MOST_ANSWER_BYTES = 64 * 1024
"""Of the answers of turns in a reading, which has 256 KiB in all (choice): of a conversation whose answers are not in
the ledger, the text is lost with its node."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of the slot's batches."""

    owner: str
    batch_id: int
    place: int
    use: RequestUse
    latency_s: float
    """From arrival to the last token, in slot time."""
    first_token_s: float
    token_gap_s: float | None


def timed(
    uses: Sequence[RequestUse],
    services: Sequence[Service],
    first_s: Sequence[float],
    arrival_s: Sequence[float],
    end_s: float,
) -> list[tuple[float, float, float | None]]:
    """(latency, time to first token, mean gap between tokens) of a batch's requests, which are answered one after the
    other, or some at a time, until ``end_s``.

    Args:
        uses: The requests.
        services: The board's time for each.
        first_s: Until each one's first token, from its turn.
        arrival_s: Of each, in slot time.
        end_s: When the board had answered the batch.
    """
    begun_s = end_s - sum(service.total_s for service in services)
    groups_s: dict[int, float] = {}
    for use, service in zip(uses, services, strict=True):
        if use.together is not None:
            groups_s[use.together.group] = groups_s.get(use.together.group, 0.0) + service.total_s
    begun_of: dict[int, float] = {}
    found = []
    for use, service, first, arrival in zip(uses, services, first_s, arrival_s, strict=True):
        if use.together is not None:
            group = use.together.group
            since_s, all_s = begun_of.setdefault(group, begun_s), groups_s[group]
            first_at_s = since_s + use.together.first_fraction * all_s
            answered_s = since_s + use.together.done_fraction * all_s
            gap_s = (answered_s - first_at_s) / (use.tokens_out - 1) if use.tokens_out > 1 else None
            found.append((answered_s - arrival, first_at_s - arrival, gap_s))
            begun_s += service.total_s
            continue
        answered_s = begun_s + service.total_s
        gap_s = (service.total_s - first) / (use.tokens_out - 1) if use.tokens_out > 1 else None
        first_at_s = begun_s + first if use.first_at_s is None else use.first_at_s
        if use.first_at_s is not None and gap_s is not None:  # from the first token's time on
            gap_s = (answered_s - use.first_at_s) / (use.tokens_out - 1)
        found.append((answered_s - arrival, first_at_s - arrival, gap_s))
        begun_s = answered_s
    return found


def served(asked: Sequence[Asked], lines: Iterable[EnergyLine]) -> tuple[ServedRequest, ...]:
    """As reported: the lines of the application stage, divided over the requests in whole microjoules.

    Computation goes to answered requests by what each read in its own window (by seconds where any has no reading), and
    within a request to prompt and answer by the server's timings; waste to those that failed, static power to all by
    their seconds. Where none was answered, computation is waste too.
    """
    if not asked:
        return ()
    energies = dict.fromkeys((Component.COMPUTE, Component.STATIC, Component.WASTE), 0)
    for line in lines:
        if line.stage is Stage.APPLICATION and line.component in energies:
            energies[line.component] += line.energy_uj
    uses = [each.use for each in asked]
    failed = [bool(use.failed) for use in uses]
    read = all(use.compute_j is not None for use in uses)
    weights = [(use.compute_j or 0.0) if read else use.seconds for use in uses]
    of_waste = [weight * is_failed for weight, is_failed in zip(weights, failed, strict=True)]
    of_work = [weight * (not is_failed) for weight, is_failed in zip(weights, failed, strict=True)]
    work = _divided(energies[Component.COMPUTE], weights if all(failed) else of_work, failed, all(failed))
    static = spread(energies[Component.STATIC], [use.seconds for use in uses])
    waste = spread(energies[Component.WASTE], of_waste) if any(failed) else [0] * len(uses)
    divided = zip(work, static, waste, strict=True)
    return _within(_served(each, *own) for each, own in zip(asked, divided, strict=True))


def _within(told: Iterable[ServedRequest]) -> tuple[ServedRequest, ...]:
    """Without the answers of turns beyond what a reading has room for."""
    found, left = [], MOST_ANSWER_BYTES
    for each in told:
        size = TOKEN_BYTES * len(each.answer)
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


def _served(each: Asked, work_uj: int, static_uj: int, waste_uj: int) -> ServedRequest:
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
