"""Runs without learning: demand in whole batches, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_node.energy.power_model import PowerModel
from experiments.errors import UsageError
from experiments.resolve.resolve import resolve
from experiments.resolve.resolved import Resolved
from experiments.scenario.model import parse_scenario

NODE = '[[nodes]]\nzone = "DE"\n'
ENERGY = '[task]\nname = "none"\n[stages]\ndevelopment = 5\n[fleet]\nkind = "inprocess"\n'


def resolved(text: str, folder: Path | None = None) -> Resolved:
    return resolve(parse_scenario(text, folder=folder))


def demand_j(run: Resolved, node: int = 0) -> np.ndarray:
    demand = run.demands[node]
    assert demand is not None
    return np.array(demand.batches) * PowerModel(run.boards[node]).compute_j(demand.flop_per_batch)


def test_a_slot_is_as_long_as_the_traces_advance_and_all_slots_are_of_development() -> None:
    run = resolved(ENERGY + NODE)
    assert run.slot_s == run.scenario.time.trace_step_s
    assert [str(stage) for stage in run.stages] == ["development"] * 5
    assert run.learns_nothing


def test_by_default_a_board_is_busy_for_half_a_slot() -> None:
    run = resolved(ENERGY + NODE)
    demand = run.demands[0]
    assert demand is not None
    assert demand.batches == (30,) * 5
    busy_s = 30 * PowerModel(run.boards[0]).busy_s(demand.flop_per_batch)
    assert busy_s == pytest.approx(run.slot_s / 2)


def test_constant_demand_keeps_its_sum_to_less_than_a_batch() -> None:
    run = resolved(ENERGY + '[demand]\nkind = "constant"\npeak_w = 1.234\n' + NODE)
    demand = run.demands[0]
    assert demand is not None
    each = PowerModel(run.boards[0]).compute_j(demand.flop_per_batch)
    wanted = np.cumsum(np.full(5, 1.234 * run.slot_s))
    assert (np.abs(np.cumsum(demand_j(run)) - wanted) < each).all()


def test_a_trace_gives_the_demand_of_each_slot(tmp_path: Path) -> None:
    lines = [
        f"2022-06-21T{hour:02d}:00:00Z,{share}" for hour, share in enumerate((0.0, 0.5, 1.0, 0.25, 0.0, 0.0))
    ]
    (tmp_path / "load.csv").write_text("time,load\n" + "\n".join(lines) + "\n")
    table = '[demand]\nkind = "trace"\npeak_w = 2.0\npath = "load.csv"\noptions = { column = "load" }\n'
    run = resolved(ENERGY + "[time]\nstart = 2022-06-21T00:00:00Z\n" + table + NODE, tmp_path)
    demand = run.demands[0]
    assert demand is not None
    each = PowerModel(run.boards[0]).compute_j(demand.flop_per_batch)
    wanted = np.cumsum(np.array([0.0, 1.0, 2.0, 0.5, 0.0]) * run.slot_s)
    assert (np.abs(np.cumsum(demand_j(run)) - wanted) < each).all()
    assert "load.csv" in run.origins["demand n0"]["source"]


def test_a_node_has_its_own_demand() -> None:
    run = resolved(ENERGY + NODE + '[[nodes]]\nzone = "FR"\n[nodes.demand]\nbusy_fraction = 0.25\n')
    first, second = run.demands
    assert first is not None
    assert second is not None
    assert (first.batches, second.batches) == ((30,) * 5, (15,) * 5)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[task]\nname = "none"\n[stages]\ndevelopment = 2\napplication = 1\n', "learns and serves nothing"),
        ('[task]\nname = "none"\nlocal_epochs = 2\n', "local_epochs has no effect"),
        ('[task]\nname = "none"\ndata = "digits"\n', "has no effect"),
        ("[demand]\nbusy_fraction = 0.3\n", "is for runs that learn nothing"),
        ('[task]\nname = "none"\n[demand]\nkind = "constant"\npeak_w = 900.0\n', "lower peak_w"),
        (
            '[task]\nname = "none"\n[demand]\nkind = "constant"\n',
            "needs peak_w, .*give it: it is needed for constant",
        ),
        ('[task]\nname = "none"\n[demand]\npeak_w = 2.0\n', "has no use for peak_w = 2; remove it"),
        ('[task]\nname = "none"\n[demand]\npath = "a.csv"\n', "give both or neither"),
        ('[task]\nname = "none"\n[demand]\nkind = "busy"\nregion = "x"\n', "has no effect with kind"),
        ('[task]\nname = "none"\n[demand]\nflop_per_batch = 1.0\n', "raise flop_per_batch"),
        (
            '[task]\nname = "none"\n[demand]\nkind = "constant"\npeak_w = 2.0\nflop_per_batch = 1e-300\n',
            "inf batches in a slot",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        resolved(text + '[fleet]\nkind = "inprocess"\n' + NODE)


def test_batches_of_all_nodes_are_alike() -> None:
    with pytest.raises(UsageError, match=r"give bytes_per_batch in \[demand\] only"):
        resolved(ENERGY + NODE + '[[nodes]]\nzone = "FR"\n[nodes.demand]\nbytes_per_batch = 7\n')
