"""What both engines simulate: the machine, its states, and what a simulation hands back.

The model, in the words of section IV of the TREE paper where it has words, and of parameters.toml where not:

* Three Poisson streams. VR frames go to the downlink's VR buffer. VU and VG requests go to the edge server's
  buffer, shared, first come first served; the server runs prefill, then decode, of a batch: the first request that
  waits and, up to the largest batch (one in the paper's case study), those of the same service that wait too.
* A result enters the downlink's AI buffer. If that is full the server keeps the results that found no room and is
  *blocked* until the base station has started on as many AI packets (back-pressure). Other full buffers drop the
  newcomer.
* Every packet is one user's, each user as often as another, and takes the time on the air of that user's link.
* The base station sends one packet at a time on all subcarriers. With DTX it sleeps as soon as its buffers are
  empty and looks for traffic at the start of each cycle only; both ways cost the switching delay.
* With DVFS the server, idle or blocked for one awaiting cycle, clocks down and sleeps; a request it could start
  on clocks it up. Both ways cost the switching delay.
* Predictive pre-wake-up: the server clocks up while a request is still being received, and announces the end
  of a decode to the base station, which then wakes in time instead of at the next cycle.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum

import numpy as np
from numpy.typing import NDArray

from experiments.studies.tree.parameters import PS_PER_S, Parameters, picoseconds
from experiments.studies.tree.serving import ALONE, Serving, cost_of

ByBatch = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
"""Durations in ps by service, then by size of the batch."""


class Service(IntEnum):
    """Traffic classes."""

    VR = 0
    VU = 1
    VG = 2


class Station(IntEnum):
    """States of the base station."""

    SLEEP = 0
    SWITCH = 1
    AWAKE = 2
    TRANSMIT = 3


class Server(IntEnum):
    """States of the edge server."""

    SLEEP = 0
    SWITCH = 1
    WAIT = 2
    PREFILL = 3
    DECODE = 4
    BLOCKED = 5


class Fate(IntEnum):
    """What became of a packet by the end."""

    INSIDE = 0
    DELIVERED = 1
    DROPPED = 2


class Discipline(StrEnum):
    """Which buffer the base station serves next."""

    VR_FIRST = "vr-first"
    """VR has priority, without interrupting a transmission: 'VR traffic preempting communication resources'."""
    FIFO = "fifo"
    """In the order of entering either buffer."""


class SleepMode(StrEnum):
    """Joint sleep and its ablations."""

    JOINT = "joint"
    NONE = "none"
    DTX_ONLY = "dtx-only"
    DVFS_ONLY = "dvfs-only"
    PREDICTIVE = "predictive"
    """Joint sleep with pre-wake-up of both."""

    @property
    def dtx(self) -> bool:
        return self in (SleepMode.JOINT, SleepMode.DTX_ONLY, SleepMode.PREDICTIVE)

    @property
    def dvfs(self) -> bool:
        return self in (SleepMode.JOINT, SleepMode.DVFS_ONLY, SleepMode.PREDICTIVE)


@dataclass(frozen=True, slots=True)
class Machine:
    """Durations in ps and sizes, all whole numbers; tuples are indexed by Service."""

    transmit_ps: tuple[int, int, int]
    prefill_ps: tuple[int, int, int]
    decode_ps: tuple[int, int, int]
    payload_bits: tuple[int, int, int]
    input_tokens: tuple[int, int, int]
    output_tokens: tuple[int, int, int]
    vr_buffer: int
    ai_buffer: int
    es_buffer: int
    dtx_cycle_ps: int
    dtx_switch_ps: int
    es_await_ps: int
    es_switch_ps: int
    bs_prewake_ps: int
    es_prewake_ps: int
    discipline: Discipline
    sleep: SleepMode
    batched_prefill_ps: ByBatch = ((), (), ())
    """Of batches of two, three and more requests; the server takes no more at a time than there are."""
    batched_decode_ps: ByBatch = ((), (), ())
    others_transmit_ps: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]] = ((), (), ())
    """To the second, third and further users; ``transmit_ps`` is to the first."""

    @property
    def batch(self) -> int:
        """Requests that the server takes at a time, at most."""
        return 1 + len(self.batched_prefill_ps[Service.VU])

    def prefills_ps(self, service: int) -> tuple[int, ...]:
        """Of batches of one, two and more requests."""
        return (self.prefill_ps[service], *self.batched_prefill_ps[service])

    def decodes_ps(self, service: int) -> tuple[int, ...]:
        """Likewise."""
        return (self.decode_ps[service], *self.batched_decode_ps[service])

    def request_s(self, service: int, batch: int) -> tuple[float, float]:
        """Prefill and decode of one request in a batch of that many: its share."""
        prefill, decode = self.prefills_ps(service)[batch - 1], self.decodes_ps(service)[batch - 1]
        return prefill / PS_PER_S / batch, decode / PS_PER_S / batch

    def airs_ps(self, service: int) -> tuple[int, ...]:
        """Time on the air to each user."""
        return (self.transmit_ps[service], *self.others_transmit_ps[service])

    def air_s(self, service: int) -> float:
        """Mean over users."""
        times = self.airs_ps(service)
        return sum(times) / len(times) / PS_PER_S

    def capacity_per_s(self, service: Service) -> float:
        """Packets per second that saturate the service's own bottleneck: downlink for VR; for VU and VG the server, its
        batches full."""
        if service is Service.VR:
            return 1.0 / self.air_s(service)
        return 1.0 / sum(self.request_s(service, self.batch))


def build_machine(
    parameters: Parameters, discipline: Discipline, sleep: SleepMode, serving: Serving = ALONE
) -> Machine:
    """Durations of one configuration."""
    p = parameters
    payload = (p.vr_bytes, p.vu_bytes, p.vg_bytes)
    inputs, outputs = (
        (0.0, p.vu_input_tokens, p.vg_input_tokens),
        (0.0, p.vu_output_tokens, p.vg_output_tokens),
    )
    served = list(zip(inputs, outputs, strict=True))[1:]
    cost, batches = cost_of(p, serving.cost), range(1, serving.batch + 1)
    prefill = [[picoseconds(cost.prefill_s(i, batch)) for batch in batches] for i, _ in served]
    decode = [[picoseconds(cost.decode_s(i, o, batch)) for batch in batches] for i, o in served]
    air = [[picoseconds(p.transmit_s(size, rate)) for rate in serving.links(p)] for size in payload]
    return Machine(
        transmit_ps=(air[0][0], air[1][0], air[2][0]),
        prefill_ps=(0, prefill[0][0], prefill[1][0]),
        decode_ps=(0, decode[0][0], decode[1][0]),
        batched_prefill_ps=((0,) * (serving.batch - 1), tuple(prefill[0][1:]), tuple(prefill[1][1:])),
        batched_decode_ps=((0,) * (serving.batch - 1), tuple(decode[0][1:]), tuple(decode[1][1:])),
        others_transmit_ps=(tuple(air[0][1:]), tuple(air[1][1:]), tuple(air[2][1:])),
        payload_bits=(round(8 * payload[0]), round(8 * payload[1]), round(8 * payload[2])),
        input_tokens=(0, round(inputs[1]), round(inputs[2])),
        output_tokens=(0, round(outputs[1]), round(outputs[2])),
        vr_buffer=round(p.vr_buffer_packets),
        ai_buffer=round(p.ai_buffer_packets),
        es_buffer=round(p.es_buffer_packets),
        dtx_cycle_ps=picoseconds(p.dtx_cycle_s),
        dtx_switch_ps=picoseconds(p.dtx_switch_s),
        es_await_ps=picoseconds(p.es_await_s),
        es_switch_ps=picoseconds(p.es_switch_s),
        bs_prewake_ps=picoseconds(p.bs_prewake_s),
        es_prewake_ps=picoseconds(p.es_prewake_s),
        discipline=discipline,
        sleep=sleep,
    )


@dataclass(frozen=True, slots=True)
class Traffic:
    """Arrivals in order of time."""

    time_ps: NDArray[np.int64]
    service: NDArray[np.int8]
    horizon_ps: int
    user: NDArray[np.int8] | None = None
    """Whose packet it is; None: all are the first user's."""

    def transmit_ps(self, machine: Machine) -> NDArray[np.int64]:
        """Time on the air of every packet."""
        table = np.array([machine.airs_ps(service) for service in Service], dtype=np.int64)
        times: NDArray[np.int64] = table[self.service, 0 if self.user is None else self.user]
        return times

    def __len__(self) -> int:
        return len(self.time_ps)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened: per packet, and every change of state of both machines.

    A state holds from its time to the next one's, the last to ``horizon_ps``.
    """

    fate: NDArray[np.int8]
    delivered_ps: NDArray[np.int64]
    """End of transmission; -1 where the packet was not delivered."""
    station_ps: NDArray[np.int64]
    station: NDArray[np.int8]
    server_ps: NDArray[np.int64]
    server: NDArray[np.int8]
    horizon_ps: int


def outcome(
    fate: bytearray | list[int],
    delivered_ps: list[int],
    station: tuple[list[int], list[int]],
    server: tuple[list[int], list[int]],
    horizon_ps: int,
) -> Outcome:
    """Lists of an engine as arrays."""
    return Outcome(
        np.frombuffer(bytes(fate), dtype=np.int8),
        np.array(delivered_ps, dtype=np.int64),
        np.array(station[0], dtype=np.int64),
        np.array(station[1], dtype=np.int8),
        np.array(server[0], dtype=np.int64),
        np.array(server[1], dtype=np.int8),
        horizon_ps,
    )
