"""What a training will cost, said before it runs: expected rounds, speed of this machine, CPU seconds."""

from __future__ import annotations

from dataclasses import replace

from experiments.studies.fei import estimate
from experiments.studies.fei.plan import cells, hours
from experiments.studies.fei.spec import FULL

SIZES = {"MLP": ("mnist", 60_000), "CNN": ("mnist", 60_000), "LSTM": ("shakespeare", 12_542)}


def test_estimates_grow_with_the_work() -> None:
    one, *_ = cells({k: v for k, v in FULL.trainings.items() if k[0] == "CNN"}, SIZES).values()
    assert estimate.cpu_s(replace(one, local_epochs=100)) > estimate.cpu_s(one) > 0
    assert (hours(30.0), hours(600.0), hours(7200.0)) == ("30 s", "10 min", "2.0 h")
