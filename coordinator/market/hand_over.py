"""Which of a decision's batches are read by their owner and answered by another node with the caches of their prompts.

The rule is that of token_routes.py, with batches of requests as what is moved: a decision of whole batches is where it
begins, and a batch is handed over where that has fewer grams, both nodes have time for it, and the latency target is
kept. Energy stays as it was decided. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from coordinator.market.decision import FleetDecision
from coordinator.market.fleet import Bools, Fleet, Floats, Ints, SplitCosts
from coordinator.market.pairs import Pairs
from coordinator.market.rounding import WorkLimits
from coordinator.market.token_routes import Requests, Routes, Sites, routes_of, split_routes, why_whole

MOST_NODES = 64
"""Up to which batches are handed over: the rule compares all pairs of nodes for every batch."""
TOO_MANY = f"hand_over_left_out: more than {MOST_NODES} nodes"
"""Note of a decision in which no batch is handed over because the fleet is larger."""
WHOLE = "not_handed_"
"""Begins notes of a decision: batches that stay whole, by the reason (token_routes.why_whole)."""


def with_hand_over(fleet: Fleet, decision: FleetDecision, most_bytes: float) -> FleetDecision:
    """``decision``, with batches handed over where that has fewer grams.

    Args:
        most_bytes: That may go from one node to another in a slot.
    """
    split = fleet.split
    if split is None or not fleet.offloadable[0] or not split.pairs().any():
        return decision
    if fleet.size > MOST_NODES:
        return replace(decision, notes=decision.notes | {TOO_MANY: 1.0})
    home, at = _placed(decision)
    requests, sites = _requests(fleet, split, home), _sites(fleet, split, decision, most_bytes)
    start = routes_of(requests, sites, at, at)
    found = split_routes(requests, sites, start, reads_at_home=True)
    whole = {f"{WHOLE}{why}": float(count) for why, count in why_whole(requests, sites, found).items()}
    return _decision(decision, home, start, found, whole)


def usable_s(fleet: Fleet, awake: Bools) -> Floats:
    """(N,) seconds of the slot in which each node can work."""
    wakes = awake & fleet.asleep & fleet.limits.may_sleep
    left = np.where(wakes, np.maximum(fleet.slot_s - fleet.wake_s, 0.0), fleet.slot_s)
    return np.where(awake, left, 0.0)


def busy_s(fleet: Fleet, decision: FleetDecision) -> Floats:
    """(N,) seconds of each node's work: of a batch that is handed over, reading is its owner's."""
    whole = fleet.seconds_per_batch[:, 0] * decision.run_batches()
    if fleet.split is None:
        return np.asarray(whole)
    read = decision.handed.given(fleet.size) - decision.handed.taken(fleet.size)
    return np.asarray(whole + fleet.split.read_s * read)


def held_bytes(fleet: Fleet, decision: FleetDecision) -> Floats:
    """(N,) bytes of the batches that come to each node, and of their caches."""
    guests = float(fleet.bytes_per_batch[0]) * decision.guest_batches()
    if fleet.split is None:
        return np.asarray(guests)
    handed = decision.handed
    caches = fleet.split.cache_bytes[handed.source] * handed.amount
    return np.asarray(guests + np.bincount(handed.target, caches, fleet.size))


def _placed(decision: FleetDecision) -> tuple[Ints, Ints]:
    """(R,) owner and executor of every batch of the slot."""
    every = np.arange(decision.size)
    owner = np.append(every, decision.moves.source)
    executor = np.append(every, decision.moves.target)
    count = np.append(decision.home_batches, decision.moves.amount)
    return np.repeat(owner, count), np.repeat(executor, count)


def _requests(fleet: Fleet, split: SplitCosts, home: Ints) -> Requests:
    """Batches as requests. Answers go from where they are written to the users: they are in its joules."""
    count, n = len(home), fleet.size
    request_j = np.zeros(n) if fleet.request_j is None else fleet.request_j[:, 0]
    write_j = np.maximum(fleet.joules_per_batch[:, 0] - split.read_j - request_j, 0.0)
    write_s = np.maximum(fleet.seconds_per_batch[:, 0] - split.read_s, 0.0)

    def at_each(values: Floats) -> Floats:
        return np.broadcast_to(values, (count, n)).copy()

    size = float(fleet.bytes_per_batch[0])
    return Requests(
        home=home,
        tokens_in=np.zeros(count, dtype=np.int64),
        tokens_out=np.zeros(count, dtype=np.int64),
        read_j=at_each(split.read_j),
        write_j=at_each(write_j),
        read_s=at_each(split.read_s),
        write_s=at_each(write_s),
        prompt_bytes=np.full(count, size),
        cache_bytes=size + split.cache_bytes[home],
        answer_bytes=np.zeros(count),
        first_token_limit_s=np.full(count, np.inf),
        answer_limit_s=split.latency_target_s[home],
    )


def _sites(fleet: Fleet, split: SplitCosts, decision: FleetDecision, most_bytes: float) -> Sites:
    n = fleet.size
    per_byte = np.broadcast_to(1.0 / split.link_bytes_per_s[:, None], (n, n)).copy()
    np.fill_diagonal(per_byte, 0.0)
    return Sites(
        intensity_g_per_kwh=fleet.intensity_g_per_kwh[:, 0],
        green_j=_green_j(fleet, decision),
        room_s=usable_s(fleet, decision.awake),
        tx_j_per_byte=fleet.tx_j_per_byte,
        rx_j_per_byte=fleet.rx_j_per_byte,
        delay_s=np.zeros((n, n)),
        seconds_per_byte=per_byte,
        net_j_per_byte=fleet.limits.net_j_per_byte,
        may_hand=split.pairs(),
        may_leave=WorkLimits.of(fleet, decision.awake).may_leave,
        storage_bytes=fleet.storage_bytes,
        pair_bytes=most_bytes,
    )


def _green_j(fleet: Fleet, decision: FleetDecision) -> Floats:
    """(N,) of the energy decided, what is left for work: beside storing, trading, and being there."""
    sent = decision.transfers
    arrived = sent.amount * fleet.transfer_efficiency(sent.source, sent.target)
    stored = fleet.battery_j * (1.0 - fleet.self_discharge_fraction) * fleet.discharge_efficiency
    has_store = fleet.battery_capacity_j > 0
    drawn = np.minimum.reduce([decision.discharge_j, stored, fleet.slot_s * fleet.discharge_limit_w])
    at_rest = fleet.slot_s * np.where(decision.awake, fleet.static_w, fleet.sleep_w)
    model = np.zeros(fleet.size) if fleet.model_j is None else fleet.model_j[:, 0]
    green = (
        fleet.harvest_j[:, 0] + sent.with_amounts(arrived).taken(fleet.size) + np.where(has_store, drawn, 0.0)
    )
    beside = np.where(has_store, decision.charge_j, 0.0) + sent.given(fleet.size) + at_rest + model
    return np.asarray(np.maximum(green - beside, 0.0))


def _decision(
    decision: FleetDecision, home: Ints, start: Routes, found: Routes, whole: Mapping[str, float]
) -> FleetDecision:
    split, away = found.split, found.writes_at != home
    one = np.ones(len(home), dtype=np.int64)
    notes = {"handed_batches": float(split.sum()), "hand_over_saves_g": max(0.0, start.grams - found.grams)}
    return replace(
        decision,
        home_batches=np.bincount(home[~away], minlength=decision.size).astype(np.int64),
        moves=Pairs.of(home[away], found.writes_at[away], one[away]),
        handed=Pairs.of(home[split], found.writes_at[split], one[split]),
        notes=decision.notes | notes | dict(whole),
    )
