"""What rates, sizes, buffers and powers give without any queueing: the claims judged before anything is simulated."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.studies.tree.fluid import batch_of, fluid_curves, served_per_s
from experiments.studies.tree.model import Discipline, Service, SleepMode, build_machine
from experiments.studies.tree.parameters import load_parameters
from experiments.studies.tree.power import state_powers
from experiments.studies.tree.serving import Cost, Serving
from experiments.studies.tree.settings import REFERENCE, grid, rates_per_s, study_settings
from tests.experiments.studies.tree.judging import FIGURES


@pytest.mark.parametrize("discipline", list(Discipline))
def test_the_fluid_conserves_time_and_work(discipline: Discipline) -> None:
    machine = build_machine(load_parameters(), discipline, SleepMode.JOINT)
    rng = np.random.default_rng(3)
    for _ in range(200):
        rates = list(rng.exponential(2.0, 3) * [machine.capacity_per_s(s) for s in Service])
        served = served_per_s(rates, machine)
        air = sum(n * t for n, t in zip(served, machine.transmit_ps, strict=True)) / 1e12
        work = zip(served, machine.prefill_ps, machine.decode_ps, strict=True)
        assert air <= 1.0 + 1e-9
        assert sum(n * (p + d) for n, p, d in work) / 1e12 <= 1.0 + 1e-9
        assert all(0.0 <= n <= rate * (1 + 1e-9) for n, rate in zip(served, rates, strict=True))


def test_the_fluid_serves_all_below_saturation_and_only_vr_far_above_it() -> None:
    machine = build_machine(load_parameters(), Discipline.VR_FIRST, SleepMode.JOINT)
    calm = [0.2 * machine.capacity_per_s(s) for s in Service]
    assert served_per_s(calm, machine) == pytest.approx(calm)
    flooded = [3.0 * machine.capacity_per_s(Service.VR), *calm[1:]]
    assert served_per_s(flooded, machine) == pytest.approx((machine.capacity_per_s(Service.VR), 0.0, 0.0))


def test_the_fluids_batches_are_as_small_as_keep_up() -> None:
    serving = Serving(Cost.FITTED, batch=8, users=8)
    machine = build_machine(load_parameters(), Discipline.FIFO, SleepMode.JOINT, serving)
    full = [0.1 * machine.capacity_per_s(Service.VR), 0.0, machine.capacity_per_s(Service.VG)]
    sizes = [batch_of([share * rate for rate in full], machine) for share in (0.01, 0.5, 0.9, 1.0, 3.0)]
    assert sizes == sorted(sizes)
    assert (sizes[0], sizes[-1]) == (1, 8)
    for share in (0.01, 0.5, 0.9):
        rates = [share * rate for rate in full]
        assert served_per_s(rates, machine) == pytest.approx(rates)


def test_the_fluid_model_does_not_change_the_background() -> None:
    parameters = load_parameters()
    machine = build_machine(parameters, REFERENCE.discipline, SleepMode.JOINT)
    curves = fluid_curves(REFERENCE, Service.VR, machine, state_powers(parameters))
    setting = next(
        s for s in study_settings() if s.sweep is Service.VR and s.background == REFERENCE.background
    )
    low = rates_per_s(setting, machine, grid(Service.VR)[0])
    assert curves["vu_per_s"][0, 0] == pytest.approx(low[Service.VU])
    assert set(curves) == set(FIGURES)
