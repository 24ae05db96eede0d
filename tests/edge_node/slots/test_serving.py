"""A node's part in serving: the board's queue from slot to slot, written out by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from edge_node.config import InferenceConfig, NodeConfig
from edge_node.serving.requests import ARRIVAL
from edge_node.slots.serving import SlotServing
from edge_node.slots.slot import SlotState
from edge_node.workload import Arrays, BatchWork, InferResult
from protos.messages.slot import Serving
from protos.messages.terms import Stage
from tests.edge_node.two_services import inference

MakeConfig = Callable[..., NodeConfig]
STAGES = (Stage.APPLICATION,) * 3


def served(serving: SlotServing, slot: int, arrivals_s: list[list[float]]) -> Serving:
    """What is reported of own batches that arrive so, each of a second's work on a board of 1e6 operations a second."""
    batches: list[Arrays] = [{ARRIVAL: np.array(each)} for each in arrivals_s]
    parts = tuple(InferResult(len(each), 8 * len(each), 0, 1, 1e6) for each in arrivals_s)
    requests = sum(part.requests for part in parts)
    work = (BatchWork(1e6, 0.0),) * len(parts)
    result = InferResult(requests, 8 * requests, 0, len(parts), 1e6 * len(parts), by_batch=work, parts=parts)
    state = SlotState(slot, Stage.APPLICATION, True)
    serving.finish(state, result, {"n0": len(batches)}, batches)
    (report,) = serving.reports(state.serving)
    return report


def test_a_board_is_free_when_the_run_begins_and_busy_with_what_a_slot_left(make_config: MakeConfig) -> None:
    """Requests that are there at once: answered after 1, 2 and so on seconds; what twelve leave undone of a slot of
    10 s delays the next slot's by 2 s."""
    config = make_config(0, stages=STAGES, inference=InferenceConfig(requests_per_batch=1))
    serving = SlotServing(config, measured=False)
    assert serving.free_s == 0.0
    one = served(serving, 0, [[0.0]])
    assert (one.requests, one.latency_p50_s, one.latency_p99_s) == (1, 1.0, 1.0)
    assert serving.free_s == 1.0
    served(serving, 0, [[0.0]] * 11)
    assert serving.free_s == 12.0
    late = served(serving, 1, [[10.0]])
    assert late.latency_p50_s == pytest.approx(3.0)
    assert served(serving, 2, [[20.0]]).latency_p50_s == pytest.approx(1.0)


@pytest.mark.parametrize(("arrivals_s", "begins_s"), [([1.0, 1.1, 1.2, 1.25], 1.25), ([1.0, 1.1, 1.2], 1.5)])
def test_a_full_batch_is_closed_at_once_and_another_waits(
    make_config: MakeConfig, arrivals_s: list[float], begins_s: float
) -> None:
    """Four requests make a batch, which waits half a second for them; it takes a second."""
    config = make_config(0, stages=STAGES, inference=inference())
    found = served(SlotServing(config, measured=False), 0, [arrivals_s])
    assert found.latency_p99_s == pytest.approx(begins_s + 1.0 - arrivals_s[0], abs=0.01)
    assert found.requests == len(arrivals_s)


def test_a_result_that_lacks_a_batch_is_refused(make_config: MakeConfig) -> None:
    config = make_config(0, stages=STAGES)
    batches: list[Arrays] = [{ARRIVAL: np.zeros(1)}] * 2
    part = InferResult(1, 8, 0, 1, 1e6)
    result = InferResult(2, 16, 0, 2, 2e6, by_batch=(BatchWork(1e6, 0.0),) * 2, parts=(part,))
    with pytest.raises(ValueError, match="zip"):
        SlotServing(config, measured=False).finish(
            SlotState(0, Stage.APPLICATION, True), result, {"n0": 2}, batches
        )
