"""A slot's work on own and offloaded batches, and what it counts: whole, by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from edge_node.slots import work
from edge_node.slots.backlog import Batch
from edge_node.slots.slot import Incoming, SlotState
from edge_node.slots.work import count_result, gather, infer_each, run_stage
from edge_node.workload import (
    Arrays,
    BatchWork,
    InferResult,
    Parameters,
    PrepareResult,
    TrainResult,
)
from protos.messages.terms import Stage

MODEL: Parameters = {"w": np.zeros(4, dtype=np.float32), "b": np.zeros(3, dtype=np.float32)}


class Asked:
    """A workload that keeps what it is asked, and answers with figures that are all different."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def batch(self, batch_id: int, stage: str) -> Arrays:
        self.asked.append((batch_id, stage))
        return {"x": np.full(batch_id + 1, batch_id)}

    def prepare(self, batches: Sequence[Arrays]) -> float:
        self.asked.append(("prepare", len(batches)))
        return 7.5

    def train(
        self, parameters: Parameters, batches: Sequence[Arrays], options: Mapping[str, float]
    ) -> TrainResult:
        self.asked.append((parameters, batches, options))
        return TrainResult(parameters, 11, 2, 0.5, 13.0)

    def infer(self, parameters: Parameters, batches: Sequence[Arrays]) -> InferResult:
        (batch,) = batches
        self.asked.append((parameters, batch))
        n = len(batch["x"])
        return InferResult(n, 10 * n, n - 1, 1, 100.0 * n, 3 * n, 2 * n, 40.0 * n, 0.25 * n)


def state(**changes: Any) -> SlotState:
    made = SlotState(4, Stage.DEVELOPMENT, True)
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def test_own_batches_come_first_by_deadline_then_those_of_others_by_name() -> None:
    def arrays(value: int) -> Arrays:
        return {"x": np.array([value])}

    own = [
        Batch(6, 1, Stage.DEVELOPMENT, 4),
        Batch(5, 3, Stage.DEVELOPMENT, 4),
        Batch(5, 2, Stage.DEVELOPMENT, 4),
    ]
    incoming = {
        "n9": Incoming((0,), [arrays(90)], 8),
        "n2": Incoming((0, 1), [arrays(20), arrays(21)], 16),
    }
    workload: Any = Asked()
    owners, batches = gather("n5", workload, state(own=own, incoming=incoming))
    assert list(owners.items()) == [("n5", 3), ("n2", 2), ("n9", 1)]
    assert workload.asked == [(2, "development"), (3, "development"), (1, "development")]
    assert [int(batch["x"][0]) for batch in batches] == [2, 3, 1, 20, 21, 90]
    owners, batches = gather("n5", workload, state(incoming=incoming))
    assert owners == {"n2": 2, "n9": 1}, "no own batches, no own entry"
    assert gather("n5", workload, state()) == ({}, [])


def test_every_stage_has_its_own_work() -> None:
    batches: list[Arrays] = [
        {"x": np.zeros((2, 9)), "y": np.zeros(2)},
        {"x": np.zeros((3, 9)), "y": np.zeros(3)},
    ]
    options = {"learning-rate": 0.25}
    workload: Any = Asked()
    assert run_stage(workload, Stage.PREPARATION, MODEL, batches, options) == PrepareResult(2, 5, 7.5)
    assert workload.asked == [("prepare", 2)]
    for stage in (Stage.DEVELOPMENT, Stage.RECYCLING):
        workload = Asked()
        result = run_stage(workload, stage, MODEL, batches, options)
        assert result == TrainResult(MODEL, 11, 2, 0.5, 13.0)
        ((parameters, given, told),) = workload.asked
        assert parameters is MODEL
        assert given is batches
        assert told is options
    workload = Asked()
    answered = run_stage(workload, Stage.APPLICATION, MODEL, batches, options)
    assert isinstance(answered, InferResult)
    assert (answered.requests, answered.batches) == (5, 2)


@pytest.mark.parametrize(
    ("cpu", "wall", "seconds"),
    [
        ((1.0, 3.5, 4.0, 4.25), (2.0, 6.0, 7.0, 8.0), (2.5, 0.25)),
        ((1.0, 5.0, 6.0, 9.0), (2.0, 3.0, 4.0, 4.5), (1.0, 0.5)),
    ],
)
def test_each_batch_of_requests_is_timed_alone_by_the_shorter_of_cpu_and_wall(
    monkeypatch: pytest.MonkeyPatch,
    cpu: tuple[float, ...],
    wall: tuple[float, ...],
    seconds: tuple[float, float],
) -> None:
    """Two batches of one and two requests; decoding takes a quarter of a second a request, at most all of it."""
    for name, readings in (("thread_time", cpu), ("perf_counter", wall)):
        monkeypatch.setattr(work.time, name, iter(readings).__next__)
    workload: Any = Asked()
    batches: list[Arrays] = [{"x": np.zeros(1)}, {"x": np.zeros(2)}]
    found = infer_each(workload, MODEL, batches)
    assert found == InferResult(
        requests=3,
        payload_bits=30,
        correct=1,
        batches=2,
        flop=300.0,
        input_tokens=9,
        output_tokens=6,
        decode_flop=120.0,
        decode_s=0.75,
        by_batch=(
            BatchWork(100.0, seconds[0], 40.0, min(0.25, seconds[0])),
            BatchWork(200.0, seconds[1], 80.0, min(0.5, seconds[1])),
        ),
        parts=(
            InferResult(1, 10, 0, 1, 100.0, 3, 2, 40.0, 0.25),
            InferResult(2, 20, 1, 1, 200.0, 6, 4, 80.0, 0.5),
        ),
    )
    assert [given[1] is batch for given, batch in zip(workload.asked, batches, strict=True)] == [True, True]
    assert all(given[0] is MODEL for given in workload.asked)


def test_a_model_comes_to_train_and_to_serve_and_goes_back_after_training_alone() -> None:
    """28 bytes come; 8 go back. Preparation needs no model."""
    smaller: Parameters = {"w": np.zeros(2, dtype=np.float32)}
    served = InferResult(1, 2, 3, 4, 5.0)
    for result, flop, bytes_, loss in (
        (PrepareResult(2, 5, 7.5), 7.5, (0, 0), 0.25),
        (served, 5.0, (0, 28), 0.25),
        (TrainResult(smaller, 11, 2, 0.5, 13.0), 13.0, (8, 28), 0.5),
        (TrainResult(smaller, 11, 2, math.inf, 13.0), 13.0, (8, 28), None),
        (TrainResult(smaller, 11, 2, math.nan, 13.0), 13.0, (8, 28), None),
    ):
        slot, owners = state(mean_loss=0.25), {"n0": 2}
        assert count_result(slot, result, owners, MODEL) == bytes_
        assert (slot.result, slot.flop, slot.executed) == (result, flop, owners)
        assert (slot.model_bytes, slot.mean_loss) == (sum(bytes_), loss)
