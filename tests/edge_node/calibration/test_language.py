"""What a language model's tokens cost: measured on the real server, with a window that counts CPU seconds."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edge_node.calibration.language import Grid, measure_tokens
from edge_node.calibration.reading import CalibrationError
from edge_node.language.model_file import model_file
from edge_node.language.server import LanguageServer
from edge_node.meters.process_time import process_cpu_s
from tests.language_model import fetched_model

pytestmark = pytest.mark.processes

GRID = Grid(lengths=(16, 32, 48, 64, 96, 128), contexts=(16, 48, 96), batches=(1, 2), steps=4)


def test_the_grid_knows_its_size_and_room() -> None:
    assert GRID.size == 12
    assert GRID.context_tokens == 136


def test_longer_prompts_and_more_requests_cost_more() -> None:
    model = model_file(fetched_model())
    said: list[str] = []
    with LanguageServer(model, slots=2, context_tokens=256) as server:

        def window() -> Callable[[], float]:
            begun_s = process_cpu_s(server.pid)
            return lambda: process_cpu_s(server.pid) - begun_s

        found = measure_tokens(server, window, GRID, said.append)
        # A meter that stands still has no reading.
        with pytest.raises(CalibrationError, match="cost of 0"):
            measure_tokens(server, lambda: lambda: 0.0, GRID, said.append)
    assert len(said) == 24
    assert [one.tokens for one in found.prefills] == list(GRID.lengths)  # nothing was cached
    assert found.prefills[-1].cost > 2 * found.prefills[0].cost
    assert (found.prefill.held_out, found.step.held_out) == (3, 3)
    alone, two = (sum(one.cost for one in found.steps if one.requests == requests) for requests in (1, 2))
    assert alone < two < 2.5 * alone
