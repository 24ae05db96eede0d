"""The day: ten boards in ten US zones with panels and batteries, and the trace's requests as their work."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from carbon_data.sources.sites import site_of_zone
from coordinator.market.fleet import Fleet, Floats, Ints, Limits
from coordinator.market.token_routes import Requests
from experiments.studies.fei.market import SLOT_S, SLOTS, Setting, Work, fleet
from experiments.studies.tokens.modelled.costs import NodeCosts
from experiments.studies.tokens.modelled.trace import Trace

NODES = 10
TEXT_BYTES_PER_TOKEN = 4.0
"""[C]: about what English text has in vocabularies of tens of thousands."""
EARTH_KM = 6371.0
FIBRE_KM_PER_S = 2.0e5
DETOUR = 1.5
"""[C]: a cable's way over the great circle's."""
BUSIEST_FRACTION = 0.5
"""[C]: most of a slot that a policy plans to be busy, so that queues stay short."""


@dataclass(frozen=True, slots=True)
class Links:
    """Between the nodes."""

    net_j_per_byte: float
    radio: bool = True
    """Whether the boards' radios count."""
    bit_per_s: float = 50e6
    """[C]: as in a scenario's [network]."""


@dataclass(frozen=True, slots=True)
class Readers:
    """Every other node reads a prompt for ``read_fraction`` of the joules and seconds of the others; 1: all alike."""

    read_fraction: float = 1.0

    def factors(self) -> Floats:
        """(N,)."""
        return np.where(np.arange(NODES) % 2 == 0, 1.0, self.read_fraction)


ALIKE = Readers()


def requests_of(
    trace: Trace, costs: NodeCosts, readers: Readers, slack_s: float, first_slack_s: float
) -> Requests:
    """The trace as the router sees it. Targets: what a request takes at home, and the slack."""
    read, write = costs.read_j(trace.tokens_in), costs.write_j(trace.tokens_in, trace.tokens_out)
    read_j = read[:, None] * readers.factors()
    write_j = np.repeat(write[:, None], NODES, axis=1)
    own = np.arange(trace.count), trace.home
    return Requests(
        home=trace.home,
        tokens_in=trace.tokens_in,
        tokens_out=trace.tokens_out,
        read_j=read_j,
        write_j=write_j,
        read_s=read_j / costs.watts,
        write_s=write_j / costs.watts,
        prompt_bytes=np.asarray(TEXT_BYTES_PER_TOKEN * trace.tokens_in, dtype=np.float64),
        cache_bytes=np.asarray(costs.cache_bytes_per_token * trace.tokens_in, dtype=np.float64),
        answer_bytes=np.asarray(TEXT_BYTES_PER_TOKEN * trace.tokens_out, dtype=np.float64),
        first_token_limit_s=read_j[own] / costs.watts + first_slack_s,
        answer_limit_s=(read_j + write_j)[own] / costs.watts + slack_s,
    )


def day_fleet(trace: Trace, requests: Requests, costs: NodeCosts, links: Links, seed: int) -> Fleet:
    """The fleet of the whole day: a batch is a request, of its slot's mean joules, seconds and bytes."""
    slot = slots_of(trace)
    count = np.maximum(np.bincount(slot, minlength=SLOTS), 1)

    def by_slot(values: Floats) -> Floats:
        return np.stack([np.bincount(slot, column, minlength=SLOTS) / count for column in values.T])

    joules = by_slot(requests.read_j + requests.write_j)
    text = (requests.prompt_bytes + requests.answer_bytes)[:, None]
    mean_s = float(joules.mean() / costs.watts)
    made = fleet(NODES, seed, Work(mean_s, float(joules.mean()), 1.0, 1.0), Setting())
    released = np.zeros((NODES, SLOTS), dtype=np.int64)
    np.add.at(released, (trace.home, slot), 1)
    radio = float(links.radio)
    return replace(
        made,
        limits=Limits(offload_cap_fraction=1.0, net_j_per_byte=links.net_j_per_byte),
        backlog_batches=released[:, :1],
        release_batches=released[:, 1:],
        joules_per_batch=joules,
        seconds_per_batch=joules / costs.watts / BUSIEST_FRACTION,
        bytes_per_batch=by_slot(text)[0],
        tx_j_per_byte=radio * made.tx_j_per_byte,
        rx_j_per_byte=radio * made.rx_j_per_byte,
    )


def slots_of(trace: Trace) -> Ints:
    """(R,) slot of each arrival."""
    return np.minimum((trace.at_s // SLOT_S).astype(np.int64), SLOTS - 1)


def delays_s(world: Fleet) -> Floats:
    """(N, N) light in a cable between the zones' sites."""
    sites = [site_of_zone(name.rpartition("-")[0]) for name in world.node_ids]
    north = np.radians([site.latitude_deg for site in sites])
    east = np.radians([site.longitude_deg for site in sites])
    half = (
        np.sin((north[:, None] - north) / 2) ** 2
        + np.cos(north[:, None]) * np.cos(north) * np.sin((east[:, None] - east) / 2) ** 2
    )
    return np.asarray(2 * EARTH_KM * np.arcsin(np.sqrt(np.minimum(half, 1.0))) * DETOUR / FIBRE_KM_PER_S)
