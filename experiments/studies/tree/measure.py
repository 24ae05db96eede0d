"""What one simulated point is kept as (whole numbers), and the figures derived from it.

Alpha and the way tokens are counted enter only here, after the simulation: the whole map of settings is read off
the same simulated worlds.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from coordinator.accounting.tree import Window, efficiency
from experiments.studies.tree.model import Fate, Machine, Outcome, Server, Service, Traffic
from experiments.studies.tree.parameters import PS_PER_S
from experiments.studies.tree.power import SERVER_COMPONENTS, STATION_COMPONENTS, StatePowers, occupancies


class Counting(StrEnum):
    """Which tokens T counts; always on delivery of the packet they belong to."""

    OUTPUT = "output"
    INPUT = "input"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Point:
    """Counts of one simulation over its window (warm-up excluded); tuples over services or states."""

    window_ps: int
    arrived: tuple[int, ...]
    dropped: tuple[int, ...]
    """Of those that arrived in the window."""
    delivered: tuple[int, ...]
    """Deliveries that ended in the window."""
    delay_ps: tuple[int, ...]
    """Sum over the delivered of delivery less arrival."""
    station_ps: tuple[int, ...]
    server_ps: tuple[int, ...]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Point:
        """Inverse of ``as_dict``, also after JSON. Raises TypeError for missing or unknown keys."""
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in raw.items()}
        return cls(**values)


def take(traffic: Traffic, outcome: Outcome, start_ps: int, end_ps: int | None = None) -> Point:
    """Counts of the window [start_ps, end_ps); the horizon ends it if None."""
    end = outcome.horizon_ps if end_ps is None else end_ps
    if not 0 <= start_ps < end <= outcome.horizon_ps:
        raise ValueError(f"window is [{start_ps}, {end}) ps; allowed is a part of [0, {outcome.horizon_ps})")
    arrived = (traffic.time_ps >= start_ps) & (traffic.time_ps < end)
    done = (
        (outcome.fate == Fate.DELIVERED) & (outcome.delivered_ps >= start_ps) & (outcome.delivered_ps < end)
    )
    delay = outcome.delivered_ps - traffic.time_ps
    station, server = occupancies(outcome, start_ps, end)
    mine = [traffic.service == service for service in Service]

    def count(mask: np.ndarray[Any, np.dtype[np.bool_]]) -> tuple[int, ...]:
        return tuple(int((mask & of).sum()) for of in mine)

    return Point(
        window_ps=end - start_ps,
        arrived=count(arrived),
        dropped=count(arrived & (outcome.fate == Fate.DROPPED)),
        delivered=count(done),
        delay_ps=tuple(int(delay[done & of].sum()) for of in mine),
        station_ps=tuple(station.tolist()),
        server_ps=tuple(server.tolist()),
    )


def tokens(point: Point, machine: Machine, counting: Counting) -> int:
    """Tokens delivered in the window under one way of counting."""
    given = sum(n * k for n, k in zip(point.delivered, machine.input_tokens, strict=True))
    made = sum(n * k for n, k in zip(point.delivered, machine.output_tokens, strict=True))
    return {Counting.OUTPUT: made, Counting.INPUT: given, Counting.BOTH: given + made}[counting]


def bits(point: Point, machine: Machine) -> int:
    """Payload bits delivered in the window."""
    return sum(n * size for n, size in zip(point.delivered, machine.payload_bits, strict=True))


def figures(point: Point, machine: Machine, powers: StatePowers) -> dict[str, float]:
    """Mean powers (W), rates (per s) and EE (bit/J) of one point: all that depends on no setting of TREE.

    A delay is missing (absent) where nothing was delivered.
    """
    window_s = point.window_ps / PS_PER_S
    energy = powers.energy_j(np.array(point.station_ps), np.array(point.server_ps))
    server = np.array(point.server_ps)
    inference_w = sum(powers.server[name][Server.PREFILL] for name in SERVER_COMPONENTS)
    total_j = sum(energy.values())
    out = {f"{name}_w": joules / window_s for name, joules in energy.items()}
    out |= {
        "energy_j": total_j,
        "total_w": total_j / window_s,
        "station_w": sum(energy[name] for name in STATION_COMPONENTS) / window_s,
        "server_w": sum(energy[name] for name in SERVER_COMPONENTS) / window_s,
        "prefill_w": float(inference_w) * int(server[Server.PREFILL]) / point.window_ps,
        "decode_w": float(inference_w) * int(server[Server.DECODE]) / point.window_ps,
        "bits_per_s": bits(point, machine) / window_s,
        "ai_bits_per_s": (bits(point, machine) - point.delivered[0] * machine.payload_bits[0]) / window_s,
        "ee_bit_per_j": bits(point, machine) / total_j,
    }
    for counting in Counting:
        out[f"tokens_{counting}_per_s"] = tokens(point, machine, counting) / window_s
    for service in Service:
        name = service.name.lower()
        out[f"{name}_per_s"] = point.delivered[service] / window_s
        if point.delivered[service]:
            out[f"{name}_delay_s"] = point.delay_ps[service] / point.delivered[service] / PS_PER_S
    return out


def tree_bit_per_j(
    point: Point, machine: Machine, energy_j: float, alpha_bits_per_token: float, counting: Counting
) -> float:
    """(T1) of the window."""
    # ``counting`` has chosen among input and generated tokens already: what is left is T.
    window = Window(bits(point, machine), 0, tokens(point, machine, counting), energy_j)
    value = efficiency(window, alpha_bits_per_token).tree_bit_per_j
    if value is None:
        raise ValueError(
            "the window took no energy; a base station and a server that draw nothing are no model"
        )
    return value
