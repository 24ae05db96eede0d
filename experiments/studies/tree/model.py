"""What both engines simulate: the machine, its states, and what a simulation hands back.

The model, in the words of section IV of the TREE paper where it has words, and of parameters.toml where not:

* Three Poisson streams. VR frames go to the downlink's VR buffer. VU and VG requests go to the edge server's
  buffer, shared, first come first served; the server runs prefill, then decode, one request at a time.
* A result enters the downlink's AI buffer. If that is full the server keeps the result and is *blocked* until
  the base station starts on an AI packet (back-pressure). Other full buffers drop the newcomer.
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

    def capacity_per_s(self, service: Service) -> float:
        """Packets per second that saturate the service's own bottleneck: downlink for VR, server for VU and VG."""
        if service is Service.VR:
            return PS_PER_S / self.transmit_ps[service]
        return PS_PER_S / (self.prefill_ps[service] + self.decode_ps[service])


def build_machine(parameters: Parameters, discipline: Discipline, sleep: SleepMode) -> Machine:
    """Roofline and air-interface durations of one configuration."""
    p = parameters
    payload = (p.vr_bytes, p.vu_bytes, p.vg_bytes)
    inputs, outputs = (
        (0.0, p.vu_input_tokens, p.vg_input_tokens),
        (0.0, p.vu_output_tokens, p.vg_output_tokens),
    )
    served = list(zip(inputs, outputs, strict=True))[1:]
    prefill = [picoseconds(p.prefill_s(i)) for i, _ in served]
    decode = [picoseconds(p.decode_s(i, o)) for i, o in served]
    air = [picoseconds(p.transmit_s(size)) for size in payload]
    return Machine(
        transmit_ps=(air[0], air[1], air[2]),
        prefill_ps=(0, prefill[0], prefill[1]),
        decode_ps=(0, decode[0], decode[1]),
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
