"""Table ``requests``: every request to a language model, with its tokens, times and joules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

from carbon_data.units import from_micro, from_pico
from coordinator.tables.recorded import RecordedRun, Row
from coordinator.tables.turns import TurnColumns
from protos.latency import exact_quantile
from protos.messages.terms import Component, RequestPart, Stage

WORKING = (Component.COMPUTE, Component.STATIC, Component.WASTE)
"""Components of the application stage whose joules are those of its requests."""
LATE = "the reading that has the answer came after the end of its slot"
EXTRA = "another node's answer to it counts, which was reported before"
Request = tuple[str, int, int]
"""Owner, batch, and place in it."""
_OF_ANSWERS = ("cached_tokens", "prefilled_tokens", "tokens_out", "content_bits", "prefill_uj", "decode_uj")


def request_rows(run: RecordedRun) -> Iterable[Row]:
    """In the order of slots, nodes, and answers."""
    turns, extra = TurnColumns(run), extra_answers(run)
    for (slot, node), usage in sorted(run.usage.items()):
        told = usage.get("requests", ())
        booking = run.bookings.get((slot, node))
        if not told or booking is None:
            continue
        per_uj = _grams_per_uj(booking["lines"], node)
        for one in as_booked(told, booking, extra.get((slot, node), frozenset())):
            energy_uj = one["prefill_uj"] + one["decode_uj"] + one["waste_uj"]
            yield {
                "slot": slot,
                "node_id": node,
                "owner": one["owner"],
                "batch_id": one["batch_id"],
                "place": one["place"],
                "failed": one["failed"] or None,
                "extra": one.get("extra"),
                **_tokens(one),
                "tokens_out": one["tokens_out"],
                "bits": one["content_bits"],
                "wire_bytes": one["wire_bytes"],
                "prefill_j": from_micro(one["prefill_uj"]),
                "decode_j": from_micro(one["decode_uj"]),
                "wasted_j": from_micro(one["waste_uj"]),
                "operational_g": per_uj * energy_uj,
                "half_width_j": None if one["half_width_uj"] is None else from_micro(one["half_width_uj"]),
                **_per_token([one]),
                "latency_s": one["latency_s"],
                "first_token_s": one["first_token_s"],
                "token_gap_s": one["token_gap_s"],
                **_handed(one),
                **turns.of(slot, node, one),
            }


def extra_answers(run: RecordedRun) -> Mapping[tuple[int, str], Set[Request]]:
    """By slot and node, requests that it reported and that another node's answer counts for: both had the batch, for
    its owner did not hear that it had arrived. The first answer that was reported counts, as in the books."""
    counts: dict[Request, tuple[tuple[int, str], bool]] = {}
    found: dict[tuple[int, str], set[Request]] = {}
    for where, usage in run.usage.items():  # in the order of the ledger
        booking = run.bookings.get(where)
        if booking is None:
            continue
        for one in usage.get("requests", ()):
            if one.get("part") == RequestPart.READ:
                continue
            request, answers = _request(one), not (one["failed"] or booking.get("late"))
            before = counts.get(request)
            if before is None or (answers and not before[1]):
                counts[request] = where, answers
            if before is not None:
                extra = where if counts[request] is before else before[0]
                found.setdefault(extra, set()).add(request)
    return found


def as_booked(
    told: Sequence[Mapping[str, Any]], booking: Mapping[str, Any], extra: Set[Request] = frozenset()
) -> Sequence[Mapping[str, Any]]:
    """A node's requests of a slot: those of a reading that came after the slot's end were not answered in time, those
    of ``extra`` for nothing, and what they took is booked as waste."""
    late = bool(booking.get("late"))
    if not late and not extra:
        return told
    return [_for_nothing(one, late, _is_extra(one, extra)) for one in told]


def _for_nothing(one: Mapping[str, Any], late: bool, extra: bool) -> Mapping[str, Any]:
    if not late and not extra:
        return one
    return {
        **one,
        **dict.fromkeys(_OF_ANSWERS, 0),
        "failed": one["failed"] or (LATE if late else EXTRA),
        "extra": extra or None,
        "waste_uj": one["prefill_uj"] + one["decode_uj"] + one["waste_uj"],
        "first_token_s": None,
        "token_gap_s": None,
    }


def _request(one: Mapping[str, Any]) -> Request:
    return one["owner"], one["batch_id"], one["place"]


def _is_extra(one: Mapping[str, Any], extra: Set[Request]) -> bool:
    return one.get("part") != RequestPart.READ and _request(one) in extra


def spoken_columns(told: Sequence[Mapping[str, Any]], other_waste_uj: int | None = None) -> Row:
    """Columns of ``serving`` (schema.SPOKEN) for a node's requests of a slot; {} without any. ``other_waste_uj``: as in
    the reading; None in ledgers of versions before."""
    if not told:
        return {}
    first = sorted(one["first_token_s"] for one in told if one["first_token_s"] is not None)
    gaps = sorted(one["token_gap_s"] for one in told if one["token_gap_s"] is not None)
    counts = [_tokens(one) for one in told]
    return {
        "failed_requests": sum(bool(one["failed"]) for one in told if _is_its_own(one)),
        **{name: sum(each[name] for each in counts) for name in counts[0]},
        "wire_bytes": sum(one["wire_bytes"] for one in told),
        "wasted_j": from_micro(sum(one["waste_uj"] for one in told)),
        "other_wasted_j": None if other_waste_uj is None else from_micro(other_waste_uj),
        "prefill_j": from_micro(sum(one["prefill_uj"] for one in told)),
        "decode_j": from_micro(sum(one["decode_uj"] for one in told)),
        **_per_token(told),
        "first_token_p50_s": exact_quantile(first, 0.50),
        "first_token_p95_s": exact_quantile(first, 0.95),
        "token_gap_p50_s": exact_quantile(gaps, 0.50),
        "token_gap_p95_s": exact_quantile(gaps, 0.95),
    }


def _is_its_own(one: Mapping[str, Any]) -> bool:
    """Whether a row is a request of its own: a prompt that was read for another node has its answer there."""
    return one.get("part") != RequestPart.READ and not one.get("extra")


def _handed(one: Mapping[str, Any]) -> Row:
    """Of a request that two nodes shared, or a later turn of a conversation; {} of others, and of ledgers of versions
    before."""
    part = one.get("part", RequestPart.WHOLE)
    if part == RequestPart.WHOLE:
        return {}
    return {"part": part, "cache_bytes": one["cache_bytes"], "same_answer": one["same"]}


def _tokens(one: Mapping[str, Any]) -> dict[str, int]:
    return {
        "tokens_cached": one["cached_tokens"],
        "tokens_prefilled": one["prefilled_tokens"],
        "tokens_decoded": max(0, one["tokens_out"] - 1),
    }


def _per_token(told: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    prefilled = sum(_tokens(one)["tokens_prefilled"] for one in told)
    decoded = sum(_tokens(one)["tokens_decoded"] for one in told)
    prefill_j = from_micro(sum(one["prefill_uj"] for one in told))
    decode_j = from_micro(sum(one["decode_uj"] for one in told))
    return {
        "joules_per_token_prefilled": prefill_j / prefilled if prefilled else None,
        "joules_per_token_decoded": decode_j / decoded if decoded else None,
    }


def _grams_per_uj(lines: Sequence[Mapping[str, Any]], node: str) -> float:
    """Of the node's own lines of work in the application stage."""
    own = [
        line
        for line in lines
        if line["node_id"] == node and line["stage"] == Stage.APPLICATION and line["component"] in WORKING
    ]
    energy_uj = sum(line["energy_uj"] for line in own)
    return from_pico(sum(line["operational_pg"] for line in own)) / energy_uj if energy_uj else 0.0
