"""Power of every state by component, and energy integrated exactly over the time spent in it.

Powers are constant between events, so energy is time in a state (whole picoseconds) times its power: no step
size, no quadrature. Computation and memory come from (T2) as fitted to the profile ``rtx-4090-server``; what the
readings do not split (the 60 W of the sleeping server, the extra power of the raised clocks) stays in one piece
of its own instead of being divided by guess.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge_node.energy.components import load_profile
from edge_node.energy.sourced import SourceError
from experiments.studies.tree.model import Outcome, Server, Station
from experiments.studies.tree.parameters import PS_PER_S, Parameters

STATION_COMPONENTS = ("circuit", "rf_chain", "transmit")
SERVER_COMPONENTS = ("server_static", "clock", "computation", "memory")
COMPONENTS = STATION_COMPONENTS + SERVER_COMPONENTS


@dataclass(frozen=True)
class StatePowers:
    """W by component, arrays over the states of their machine."""

    station: dict[str, NDArray[np.float64]]
    server: dict[str, NDArray[np.float64]]

    def energy_j(self, station_ps: NDArray[np.int64], server_ps: NDArray[np.int64]) -> dict[str, float]:
        """Energy by component for the times spent in each state."""
        energy = {name: float(watts @ station_ps) / PS_PER_S for name, watts in self.station.items()}
        energy |= {name: float(watts @ server_ps) / PS_PER_S for name, watts in self.server.items()}
        return energy


def state_powers(parameters: Parameters) -> StatePowers:
    """Powers from Table I and the fitted component model.

    Raises:
        SourceError: the profile's readings and the parameters contradict each other.
    """
    p = parameters
    profile = load_profile("rtx-4090-server")
    model = profile.model()
    sleep, prefill, decode = (model.power(profile.reading(n).point) for n in ("sleep", "prefill", "decode"))
    for name, got, wanted in (
        ("sleep", sleep.total_w, p.es_sleep_w),
        ("prefill", prefill.total_w, p.es_inference_w),
        ("decode", decode.total_w, p.es_inference_w),
    ):
        if abs(got - wanted) > 0.005:
            raise SourceError(
                f"profile rtx-4090-server gives {got:.3f} W in {name}, parameters.toml {wanted} W"
            )
    # The server at inference clocks with nothing to do: not in Table I, but determined by the fit.
    waiting = model.power(
        replace(profile.reading("decode").point, core_utilisation=0.0, memory_utilisation=0.0)
    )
    clocked = np.array([0.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    computation, memory = np.zeros(len(Server)), np.zeros(len(Server))
    for state, power in ((Server.PREFILL, prefill), (Server.DECODE, decode)):
        computation[state], memory[state] = power.computation_dynamic_w, power.memory_dynamic_w
    circuit = np.full(len(Station), p.circuit_w)
    circuit[Station.SLEEP] *= p.bs_sleep_fraction
    chain = np.full(len(Station), p.rf_chain_w)
    chain[Station.SLEEP] = 0.0
    transmit = np.zeros(len(Station))
    transmit[Station.TRANSMIT] = p.amplification * p.transmit_w
    return StatePowers(
        station={"circuit": circuit, "rf_chain": chain, "transmit": transmit},
        server={
            "server_static": np.full(len(Server), sleep.total_w),
            "clock": clocked * (waiting.total_w - sleep.total_w),
            "computation": computation,
            "memory": memory,
        },
    )


def occupancy_ps(
    times_ps: NDArray[np.int64], states: NDArray[np.int8], number: int, start_ps: int, end_ps: int
) -> NDArray[np.int64]:
    """Time spent in each of ``number`` states within [start_ps, end_ps), whole ps; sums to the window."""
    edges = np.clip(np.append(times_ps, end_ps), start_ps, end_ps)
    total = np.zeros(number, dtype=np.int64)
    np.add.at(total, states, np.diff(edges))
    return total


def occupancies(
    outcome: Outcome, start_ps: int, end_ps: int | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Times in the states of base station and edge server in [start_ps, end_ps); the horizon ends it if None."""
    end = outcome.horizon_ps if end_ps is None else end_ps
    return (
        occupancy_ps(outcome.station_ps, outcome.station, len(Station), start_ps, end),
        occupancy_ps(outcome.server_ps, outcome.server, len(Server), start_ps, end),
    )


@dataclass(frozen=True)
class PowerSeries:
    """Power per component over time: ``watts[c][i]`` holds from ``time_s[i]`` to ``time_s[i + 1]``."""

    time_s: NDArray[np.float64]
    """Edges, shape (n + 1,)."""
    watts: dict[str, NDArray[np.float64]]
    """By component, shape (n,)."""
    station: NDArray[np.int8]
    server: NDArray[np.int8]


def power_series(outcome: Outcome, powers: StatePowers, start_ps: int, end_ps: int) -> PowerSeries:
    """Every change of power in [start_ps, end_ps), exact."""
    inside = np.concatenate([outcome.station_ps, outcome.server_ps])
    inside = np.unique(inside[(inside > start_ps) & (inside < end_ps)])
    begins = np.concatenate([[start_ps], inside])
    station = outcome.station[np.searchsorted(outcome.station_ps, begins, side="right") - 1]
    server = outcome.server[np.searchsorted(outcome.server_ps, begins, side="right") - 1]
    watts = {name: table[station] for name, table in powers.station.items()}
    watts |= {name: table[server] for name, table in powers.server.items()}
    return PowerSeries(np.append(begins, end_ps) / PS_PER_S, watts, station, server)
