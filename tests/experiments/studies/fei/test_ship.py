"""Finished trainings of the cache folder, written into shipped.json."""

from __future__ import annotations

from experiments.studies.fei import fig4, shipped
from experiments.studies.fei.cell import TrainCell
from experiments.studies.fei.plan import cells, other_rates
from experiments.studies.fei.ship import for_quick
from experiments.studies.fei.spec import FULL

SIZES = {"MLP": ("mnist", 60_000), "CNN": ("mnist", 60_000), "LSTM": ("shakespeare", 12_542)}


def test_shipped_trainings_are_rows_of_the_full_study_or_smaller_ones_of_the_quick() -> None:
    at_rates = other_rates(FULL.rates, SIZES).values()
    wanted = {*cells(FULL.trainings, SIZES, fig4.ROWS).values(), *for_quick(SIZES), *at_rates}
    shipped_cells = [TrainCell(**result["cell"]) for result in shipped.trainings()]
    assert set(shipped_cells) <= wanted
    assert set(for_quick(SIZES)) <= set(shipped_cells), "the quick study has all that it leaves to them"
