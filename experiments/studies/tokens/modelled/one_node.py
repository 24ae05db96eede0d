"""Cells of one node's day: batches released by rule, and sleep between requests by rule, over what is left open."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from carbon_data.files.datasets import dataset
from carbon_data.units import JOULES_PER_KWH
from coordinator.accounting.tree import Window, efficiency
from experiments.scenario.system import TreeSpec
from experiments.studies.fei import placement
from experiments.studies.fei.energy import board
from experiments.studies.fei.engine import content_key
from experiments.studies.import_closure import closure_digest
from experiments.studies.tokens.modelled import batching, waking
from experiments.studies.tokens.modelled.batching import Release
from experiments.studies.tokens.modelled.costs import NodeCosts
from experiments.studies.tokens.modelled.trace import TRACES, day_of
from experiments.studies.tokens.modelled.waking import Habits, Waking
from experiments.studies.tokens.modelled.world import NODES, Readers, day_fleet, requests_of
from experiments.studies.tokens.modelled.world import Links as DayLinks

LINK_SPREAD = 1.0
"""[C]: standard deviation of the logarithm of a link's rate."""


@lru_cache(maxsize=1)
def _code() -> str:
    return closure_digest(__name__)


@dataclass(frozen=True, slots=True)
class BatchingCell:
    """The first ``requests`` of a trace at one node, closer together or further apart so that without batching it
    computes for ``load`` of the time."""

    trace: str
    seed: int
    costs: NodeCosts
    requests: int
    load: float
    link_bit_per_s: float
    largest: int
    longest_wait_s: float

    @property
    def weight(self) -> float:
        return 0.2

    def key(self) -> str:
        return content_key("batching", asdict(self), _code(), dataset(TRACES[self.trace]).sha256)

    def compute(self, scratch: Path) -> dict[str, Any]:
        """``rows``: a row a rule."""
        trace = day_of(self.trace, NODES, self.seed)
        some = trace.only(np.arange(trace.count) < self.requests)
        seconds = (
            self.costs.read_j(some.tokens_in) + self.costs.write_j(some.tokens_in, some.tokens_out)
        ) / self.costs.watts
        at_s = some.at_s - some.at_s[0]
        at_s = at_s * (seconds.sum() / self.load / at_s[-1])
        arrivals = batching.over_links(
            at_s, some.tokens_in, some.tokens_out, self.link_bit_per_s, LINK_SPREAD, self.seed
        )
        rows = []
        for rule in Release:
            served = batching.serve(arrivals, self.costs, rule, self.largest, self.longest_wait_s)
            took_s = served.end_s - arrivals.announced_s
            tokens_in, tokens_out = int(some.tokens_in.sum()), int(some.tokens_out.sum())
            window = Window(32 * tokens_out, tokens_in, tokens_out, served.energy_j)
            rows.append(
                {
                    "rule": str(rule),
                    "load": self.load,
                    "link_bit_per_s": self.link_bit_per_s,
                    "largest": self.largest,
                    "longest_wait_s": self.longest_wait_s,
                    "j_per_token": served.energy_j / (tokens_in + tokens_out),
                    "tree_bit_per_j": efficiency(window, TreeSpec().alpha_bits_per_token).tree_bit_per_j,
                    "mean_batch": some.count / served.batches,
                    "answer_median_s": float(np.median(took_s)),
                    "answer_p95_s": float(np.quantile(took_s, 0.95)),
                    "stood_still_fraction": served.waited_s / float(served.end_s.max()),
                }
            )
        return {"rows": rows}


@dataclass(frozen=True, slots=True)
class WakingCell:
    """Ten nodes' day, every ``thinned``-th request of the trace, each node by itself."""

    trace: str
    seed: int
    costs: NodeCosts
    thinned: int
    habits: Habits

    @property
    def weight(self) -> float:
        return 0.3

    def key(self) -> str:
        return content_key(
            "waking",
            asdict(self),
            _code(),
            dataset(TRACES[self.trace]).sha256,
            placement.intensities().digest,
        )

    def compute(self, scratch: Path) -> dict[str, Any]:
        """``rows``: a row a rule, all nodes together; every joule comes from the grid."""
        trace = day_of(self.trace, NODES, self.seed)
        trace = trace.only(np.arange(trace.count) % self.thinned == 0)
        requests = requests_of(trace, self.costs, Readers(), 0.0, 0.0)
        intensity = day_fleet(trace, requests, self.costs, DayLinks(0.0), self.seed).intensity_g_per_kwh
        b, rows = board(), []
        for rule in Waking:
            grams, joules, wakes, waits = 0.0, 0.0, 0.0, []
            for node in range(NODES):
                own = trace.home == node
                busy_s = (requests.read_s + requests.write_s)[own, node]
                slept = waking.day(trace.at_s[own], busy_s, b, rule, self.habits)
                hourly = slept.awake_s * b.static_w + slept.asleep_s * b.sleep_w + slept.wakes * b.wake_j
                hour = np.minimum((trace.at_s[own] // waking.HOUR_S).astype(int), len(hourly) - 1)
                hourly = hourly + np.bincount(hour, busy_s * self.costs.watts, minlength=len(hourly))
                joules += float(hourly.sum())
                grams += float(hourly @ intensity[node]) / JOULES_PER_KWH
                wakes += float(slept.wakes.sum())
                waits.append(slept.wait_s)
            waited = np.concatenate(waits)
            rows.append(
                {
                    "rule": str(rule),
                    "gap_s": NODES * waking.HOUR_S * 24 / trace.count,
                    **asdict(self.habits),
                    "j_per_token": joules / trace.tokens,
                    "g_per_1000_tokens": 1000.0 * grams / trace.tokens,
                    "wakes_per_hour": wakes / NODES / 24,
                    "mean_wait_s": float(waited.mean()),
                    "p95_wait_s": float(np.quantile(waited, 0.95)),
                    "waiting_fraction": float((waited > 0).mean()),
                }
            )
        return {"rows": rows}
