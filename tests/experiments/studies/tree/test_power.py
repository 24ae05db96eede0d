"""Power of every state by component, and energy integrated exactly over the time spent in it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edge_node.energy.sourced import SourceError
from experiments.studies.tree.model import Discipline, Server, SleepMode, Station, build_machine
from experiments.studies.tree.parameters import PS_PER_S, load_parameters
from experiments.studies.tree.power import COMPONENTS, occupancies, power_series, state_powers

P = load_parameters()
MACHINE = build_machine(P, Discipline.VR_FIRST, SleepMode.JOINT)
POWERS = state_powers(P)
WARMUP_PS = 5 * PS_PER_S


def test_powers_of_states_are_table_one() -> None:
    server = sum(POWERS.server.values())
    assert server[Server.SLEEP] == pytest.approx(60.0)
    assert server[Server.PREFILL] == pytest.approx(117.37)
    assert server[Server.DECODE] == pytest.approx(117.37)
    assert server[Server.WAIT] == server[Server.BLOCKED] == server[Server.SWITCH]
    assert 60.0 < server[Server.WAIT] < 117.37
    station = sum(POWERS.station.values())
    assert station[Station.AWAKE] == pytest.approx(11.0)
    assert station[Station.TRANSMIT] == pytest.approx(11.0 + 2.6)
    assert station[Station.SLEEP] < station[Station.AWAKE]


def test_contradicting_powers_are_refused() -> None:
    with pytest.raises(SourceError, match="60"):
        state_powers(replace(P, es_sleep_w=50.0))


def test_energy_is_the_exact_integral_of_power(world) -> None:  # type: ignore[no-untyped-def]
    _, outcome = world
    station, server = occupancies(outcome, WARMUP_PS)
    assert station.sum() == server.sum() == outcome.horizon_ps - WARMUP_PS
    energy = POWERS.energy_j(station, server)
    series = power_series(outcome, POWERS, WARMUP_PS, outcome.horizon_ps)
    assert set(energy) == set(COMPONENTS) == set(series.watts)
    lengths = np.diff(series.time_s)
    assert (lengths > 0).all()
    for name in COMPONENTS:
        assert float(series.watts[name] @ lengths) == pytest.approx(energy[name], rel=1e-9, abs=1e-9)


def test_windows_add_up(world) -> None:  # type: ignore[no-untyped-def]
    _, outcome = world
    whole = occupancies(outcome, 0)
    late = occupancies(outcome, WARMUP_PS)
    early = occupancies(replace(outcome, horizon_ps=WARMUP_PS), 0)
    for a, b, c in zip(whole, early, late, strict=True):
        assert np.array_equal(a, b + c)
