"""One day and trace under LOCAL, DAT and DETA, and DETA refined request by request without and with hand-over."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from carbon_data.files.datasets import dataset
from carbon_data.units import JOULES_PER_KWH
from coordinator.market.fleet import Fleet, Floats, Ints
from coordinator.market.pairs import Moves
from coordinator.market.token_routes import Requests, Routes, Sites, routes_of, split_routes, whole_routes
from coordinator.policies.registry import make_policy
from coordinator.simulator.simulate import Run, World, simulate
from experiments.errors import RunError
from experiments.studies.fei import placement
from experiments.studies.fei.engine import content_key, tell
from experiments.studies.fei.market import SLOT_S, SLOTS
from experiments.studies.import_closure import closure_digest
from experiments.studies.recorded import RecordedMoves
from experiments.studies.tokens.modelled.costs import NodeCosts
from experiments.studies.tokens.modelled.queueing import latencies
from experiments.studies.tokens.modelled.trace import TRACES, day_of
from experiments.studies.tokens.modelled.world import (
    ALIKE,
    BUSIEST_FRACTION,
    NODES,
    Links,
    Readers,
    day_fleet,
    delays_s,
    requests_of,
    slots_of,
)

PLANNED = ("local", "dat", "deta")
REFINED, HANDED = "deta, by request", "deta, hand-over"
POLICIES = (*PLANNED, REFINED, HANDED)
FIRST_SLACK_S = 1.0
"""[C]: later than at home, to the first token."""


@lru_cache(maxsize=1)
def _code() -> str:
    return closure_digest(__name__)


@dataclass(frozen=True, slots=True)
class RoutingCell:
    """A day (``seed``) of a trace with given costs, links and readers."""

    trace: str
    seed: int
    costs: NodeCosts
    links: Links
    readers: Readers = ALIKE
    slack_s: float = 10.0
    """[C]: an answer may end so much later than at home."""
    name: str = "base"

    @property
    def weight(self) -> float:
        return 1.0

    def key(self) -> str:
        return content_key(
            "routing",
            asdict(self),
            _code(),
            dataset(TRACES[self.trace]).sha256,
            placement.intensities().digest,
        )

    def compute(self, scratch: Path) -> dict[str, Any]:
        """``rows``: a row a policy; what of the trace was used."""
        trace = day_of(self.trace, NODES, self.seed)
        requests = requests_of(trace, self.costs, self.readers, self.slack_s, FIRST_SLACK_S)
        day = day_fleet(trace, requests, self.costs, self.links, self.seed)
        delay_s = delays_s(day)
        per_byte = np.full((NODES, NODES), 8.0 / self.links.bit_per_s)
        np.fill_diagonal(per_byte, 0.0)
        slot = slots_of(trace)
        rows = []
        for number, name in enumerate(PLANNED):
            tell(scratch, f"{self.trace}, {name}", number / 5.0)
            watched = RecordedMoves(make_policy(name))
            run = simulate(World(day), watched, seed=self.seed)
            if run.unserved_batches.any():
                raise RunError(
                    f"{name} left {int(run.unserved_batches.sum())} requests undone: no grams compare"
                )
            kinds: dict[str, list[tuple[Ints, Routes]]] = {name: []}
            if name == "deta":
                kinds |= {REFINED: [], HANDED: []}
            for t in range(SLOTS):
                own = np.flatnonzero(slot == t)
                some = _some(requests, own)
                sites = _sites(day, run, t, delay_s, per_byte)
                places = executors(some.home, watched.moves[t], self.seed, t)
                planned = routes_of(some, sites, places, places)
                kinds[name].append((own, planned))
                if name == "deta":
                    whole = whole_routes(some, sites, planned)
                    kinds[REFINED].append((own, whole))
                    kinds[HANDED].append((own, split_routes(some, sites, whole)))
            for kind, routed in kinds.items():
                rows.append(
                    {"policy": kind, **_figures(day, run, requests, routed, trace.at_s, delay_s, per_byte)}
                )
        return {
            "rows": rows,
            "requests": trace.count,
            "tokens": trace.tokens,
            "left_out_fraction": trace.left_out_fraction,
            "busy_fraction": float(
                (requests.read_s + requests.write_s)[:, 0].sum() / (NODES * SLOTS * SLOT_S)
            ),
        }


def executors(home: Ints, moves: Moves, seed: int, slot: int) -> Ints:
    """(R,) node of each request: of every home as many as ``moves`` says go to each other node, drawn among its own."""
    draw = np.random.default_rng((31, seed, slot))
    places = home.copy()
    for source in np.unique(moves.source):
        own = draw.permutation(np.flatnonzero(home == source))
        which = moves.source == source
        targets = np.repeat(moves.target[which], moves.amount[which])
        places[own[: len(targets)]] = targets
    return places


def _some(requests: Requests, which: Ints) -> Requests:
    return Requests(**{name: getattr(requests, name)[which] for name in Requests.__dataclass_fields__})


def _sites(day: Fleet, run: Run, t: int, delay_s: Floats, per_byte: Floats) -> Sites:
    """Nodes in a slot: the green energy that the plan let loads have and what it curtailed, less what rest takes."""
    green = run.green_j[t] + run.curtailed_j[t]
    return Sites(
        intensity_g_per_kwh=day.intensity_g_per_kwh[:, t],
        green_j=np.maximum(green - day.static_w * SLOT_S, 0.0),
        room_s=np.full(day.size, BUSIEST_FRACTION * SLOT_S),
        tx_j_per_byte=day.tx_j_per_byte,
        rx_j_per_byte=day.rx_j_per_byte,
        delay_s=delay_s,
        seconds_per_byte=per_byte,
        net_j_per_byte=day.limits.net_j_per_byte,
    )


def _figures(
    day: Fleet,
    run: Run,
    requests: Requests,
    routed: list[tuple[Ints, Routes]],
    at_s: Floats,
    delay_s: Floats,
    per_byte: Floats,
) -> dict[str, Any]:
    """Grams, joules, what moved, and latencies over the day."""
    green = run.green_j + run.curtailed_j
    rest_j = day.static_w * SLOT_S
    rest_g = float((np.maximum(rest_j - green, 0.0) * day.intensity_g_per_kwh.T).sum() / JOULES_PER_KWH)
    reads_at, writes_at = requests.home.copy(), requests.home.copy()
    for own, routes in routed:
        reads_at[own], writes_at[own] = routes.reads_at, routes.writes_at
    first, last = latencies(at_s, requests, reads_at, writes_at, delay_s, per_byte)
    loads = np.array([routes.load_j + routes.network_j for _, routes in routed])
    above = sum(routes.grams for _, routes in routed)
    tokens = int(requests.tokens_in.sum() + requests.tokens_out.sum())
    moved = (reads_at != requests.home) | (writes_at != requests.home)
    late = last > requests.answer_limit_s
    return {
        "g_per_1000_tokens": 1000.0 * (rest_g + above) / tokens,
        "serving_g_per_1000_tokens": 1000.0 * above / tokens,
        "serving_j": float(loads.sum()),
        "network_j": float(sum(routes.network_j.sum() for _, routes in routed)),
        "moved_fraction": float(moved.mean()),
        "handed_over_fraction": float((reads_at != writes_at).mean()),
        "first_token_median_s": float(np.median(first)),
        "first_token_p95_s": float(np.quantile(first, 0.95)),
        "answer_median_s": float(np.median(last)),
        "answer_p95_s": float(np.quantile(last, 0.95)),
        "late_fraction": float(late.mean()),
        "plan_difference_fraction": (rest_g + above) / run.emissions_g - 1.0,
    }
