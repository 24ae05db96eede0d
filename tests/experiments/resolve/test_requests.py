"""Load of the application stage, node by node: rates and arrival times of every service of ``[inference]``."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.errors import UsageError
from experiments.resolve.resolve import resolve
from experiments.scenario.model import parse_scenario
from tests.scenarios import serving_scenario


def test_diurnal_load_follows_the_local_hour() -> None:
    text = serving_scenario(arrivals="diurnal").replace("application = 3", "application = 23")
    configs = resolve(parse_scenario(text)).node_configs("run", "", with_harvest=True)
    west, east = (np.array(config.inference.rate_per_s) for config in configs[:2])
    assert west.shape == (24,)
    assert np.argmax(east) < np.argmax(west)  # evening is earlier in the east
    assert west.mean() == pytest.approx(east.mean(), rel=1e-9)


def test_load_as_a_share_of_what_the_board_can_serve() -> None:
    text = serving_scenario().replace("batches_per_slot = 3", "load_fraction = 0.25")
    config = resolve(parse_scenario(text)).node_configs("run", "", with_harvest=True)[0]
    from edge_node.tasks.registry import find_task

    capacity_per_s = config.board.effective_flop_per_s / find_task("mnist-mlp").serve_flop()
    assert config.inference.rate_per_s[1] == pytest.approx(0.25 * capacity_per_s)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("requests_per_s = 5\nload_fraction = 0.1", "keep one"),
        ('path = "x.csv"', 'path is only for arrivals = "trace"'),
    ],
)
def test_contradictions_of_the_inference_table_are_refused(change: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_scenario(serving_scenario().replace("[inference]", f"[inference]\n{change}"))
