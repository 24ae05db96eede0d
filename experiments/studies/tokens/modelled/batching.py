"""Requests that arrive over links of changing rate, written one at a time or in batches that a rule releases.

TREE paper, section III: the batch size and the transmission delay should be decided together, so that a batch waits for
no slow link (a bubble). It leaves open the largest batch, the longest wait and the links: parameters here. Pure.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from coordinator.market.fleet import Floats, Ints
from experiments.studies.tokens.modelled.costs import NodeCosts


class Release(StrEnum):
    """When a node begins the next batch."""

    ALONE = "no batching"
    """One request at a time, in the order in which their prompts have come."""
    BLIND = "batches"
    """The first that were announced, up to the largest batch, once so many are there or the first has waited long
    enough; it then waits for the last of their prompts."""
    AWARE = "link-aware batches"
    """Of those whose prompts have come, up to the largest batch; the node waits for another only while one is expected
    to come before the first has waited long enough."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """R requests at one node."""

    announced_s: Floats
    """(R,) ascending."""
    ready_s: Floats
    """(R,) when the prompt has come; known from the announcement on, by size and rate."""
    tokens_in: Ints
    tokens_out: Ints


@dataclass(frozen=True, slots=True)
class Served:
    """Outcome of a rule."""

    energy_j: float
    """Above rest."""
    end_s: Floats
    """(R,)."""
    batches: int
    waited_s: float
    """In which the node stood still although requests were announced."""


def serve(arrivals: Arrivals, costs: NodeCosts, rule: Release, largest: int, longest_wait_s: float) -> Served:
    """Serve all of ``arrivals`` under ``rule``. Raises ValueError for a batch below 1 or a negative wait."""
    if largest < 1 or not longest_wait_s >= 0:
        raise ValueError(f"batches of {largest}, wait {longest_wait_s} s; allowed are >= 1 and >= 0")
    size = 1 if rule is Release.ALONE else largest
    wait_s = 0.0 if rule is Release.ALONE else longest_wait_s
    by_link = rule is not Release.BLIND
    order = np.argsort(arrivals.ready_s if by_link else arrivals.announced_s, kind="stable")
    key_s = (arrivals.ready_s if by_link else arrivals.announced_s)[order]
    end_s = np.zeros(len(order))
    now_s, done, energy_j, batches, waited_s = 0.0, 0, 0.0, 0, 0.0
    while done < len(order):
        first_s = key_s[done]
        last_call_s = max(now_s, first_s + wait_s)
        here = int(np.searchsorted(key_s, last_call_s, side="right")) - done
        count = min(size, here)
        # Full, or nobody else comes before the last call: then there is nothing to wait for if that is known.
        filled_s = max(now_s, key_s[done + count - 1])
        release_s = filled_s if (by_link or count == size) else last_call_s
        group = order[done : done + count]
        begin_s = max(release_s, float(arrivals.ready_s[group].max()))
        waited_s += max(0.0, begin_s - max(now_s, float(arrivals.announced_s[group].min())))
        joules, took_s = batch_costs(costs, arrivals.tokens_in[group], arrivals.tokens_out[group])
        end_s[group] = begin_s + took_s
        now_s = begin_s + float(took_s.max())
        energy_j += joules
        batches += 1
        done += count
    return Served(energy_j, end_s, batches, waited_s)


def batch_costs(costs: NodeCosts, tokens_in: Ints, tokens_out: Ints) -> tuple[float, Floats]:
    """Joules of a batch, and (B,) seconds until each answer ends: all prompts are read, then one step after another
    writes a token for each answer that is not at its end."""
    energy_j = float(costs.read_j(tokens_in).sum())
    ends_s = np.zeros(len(tokens_in))
    left = [(int(out) - 1, k) for k, out in enumerate(tokens_out)]
    heapq.heapify(left)
    a, b, c = costs.step
    written = 0
    while left:
        steps = left[0][0] - written
        if steps > 0:
            active = np.array([tokens_in[k] for _, k in left], dtype=float)
            contexts = steps * (active + written) + steps * (steps + 1) / 2
            energy_j += steps * (a + b * len(left)) + c * float(contexts.sum())
            written += steps
        while left and left[0][0] <= written:
            _, k = heapq.heappop(left)
            ends_s[k] = energy_j / costs.watts
    return energy_j, ends_s


def over_links(
    announced_s: Floats, tokens_in: Ints, tokens_out: Ints, bit_per_s: float, spread: float, seed: int
) -> Arrivals:
    """Prompts of four bytes a token over links whose rates are log-normal about ``bit_per_s``, ``spread`` being the
    standard deviation of the logarithm."""
    rates = bit_per_s * np.exp(spread * np.random.default_rng((41, seed)).standard_normal(len(tokens_in)))
    ready_s = announced_s + 8.0 * 4.0 * tokens_in / rates
    return Arrivals(announced_s, ready_s, tokens_in, tokens_out)
