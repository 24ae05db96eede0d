"""Requests to a language model in a slot: when their tokens came. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge_node.serving.tally import Service
from edge_node.workload import RequestUse


@dataclass(frozen=True, slots=True)
class TimedUse:
    """One request of the slot's batches, with its times."""

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
