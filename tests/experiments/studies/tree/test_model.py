"""What both engines simulate: the machine, its states, and what a simulation hands back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from experiments.studies.tree.model import Discipline, Service, SleepMode, build_machine
from experiments.studies.tree.parameters import load_parameters
from experiments.studies.tree.settings import (
    Background,
    Setting,
    grid,
    rates_per_s,
)

P = load_parameters()
MACHINE = build_machine(P, Discipline.VR_FIRST, SleepMode.JOINT)


def test_services_have_grids_that_reach_past_saturation() -> None:
    for service in Service:
        steps = grid(service)
        assert list(steps) == sorted(set(steps))
        assert steps[0] < 0.1 < 1.0 < steps[-1]


def test_services_are_what_section_four_says() -> None:
    assert MACHINE.prefill_ps[Service.VU] > 3 * MACHINE.decode_ps[Service.VU]
    assert MACHINE.decode_ps[Service.VG] > 100 * MACHINE.prefill_ps[Service.VG]
    assert MACHINE.transmit_ps[Service.VR] < MACHINE.dtx_cycle_ps
    narrow = replace(P, subcarrier_hz=60e3)
    assert narrow.transmit_s(P.vr_bytes) > P.dtx_cycle_s  # the reason given for 120 kHz


def test_rates_leave_the_background_alone() -> None:
    parameters = load_parameters()
    results_rates = {}
    for service in Service:
        setting = Setting(service, Background.HEAVY)
        machine = build_machine(parameters, setting.discipline, setting.sleep)
        low, high = (rates_per_s(setting, machine, relative) for relative in (0.5, 2.0))
        assert high[service] == pytest.approx(4 * low[service])
        results_rates[service] = [r for s, r in zip(Service, low, strict=True) if s is not service]
        assert results_rates[service] == [r for s, r in zip(Service, high, strict=True) if s is not service]
