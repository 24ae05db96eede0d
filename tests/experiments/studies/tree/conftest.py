"""One world and its curves, made once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from experiments.studies.tree.engine import simulate
from experiments.studies.tree.model import Discipline, Service, SleepMode, build_machine
from experiments.studies.tree.parameters import load_parameters
from experiments.studies.tree.settings import (
    REFERENCE,
    Setting,
)
from experiments.studies.tree.study import run_study
from experiments.studies.tree.tables import curves_table
from experiments.studies.tree.traffic import draw
from tests.experiments.studies.tree.sizes import TINY

P = load_parameters()
MACHINE = build_machine(P, Discipline.VR_FIRST, SleepMode.JOINT)


@pytest.fixture(scope="module")
def world():  # type: ignore[no-untyped-def]
    rates = [0.4 * MACHINE.capacity_per_s(Service.VR), 1.0, 0.4]
    traffic = draw(11, rates, 40.0)
    return traffic, simulate(traffic, MACHINE)


@pytest.fixture(scope="module")
def curves(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    modes = [Setting(s, REFERENCE.background, REFERENCE.discipline, m) for m in SleepMode for s in Service]
    folder = tmp_path_factory.mktemp("study")
    return curves_table(run_study(folder, modes, replace(TINY, seeds=2), workers=1))
