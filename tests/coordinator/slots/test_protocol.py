"""Words that the parts of the coordinator share: effects of a message, refusals, failed calls."""

from __future__ import annotations

from typing import Any

import pytest

from coordinator.slots.protocol import RequestError
from protos.messages.runner import BeginSlot, EndSlot
from protos.messages.terms import Stage


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (BeginSlot(1, Stage.DEVELOPMENT, 1.0), "wrong_slot"),
        (BeginSlot(0, Stage.APPLICATION, 1.0), "wrong_stage"),
        (EndSlot(0, 1.0), "not_begun"),
    ],
)
def test_calls_out_of_order_are_refused(bench: Any, call: Any, code: str) -> None:
    bench.join()
    with pytest.raises(RequestError) as caught:
        bench.coordinator.begin_slot(call) if isinstance(call, BeginSlot) else bench.coordinator.end_slot(
            call
        )
    assert caught.value.code == code


def test_next_slot_needs_the_last_to_be_ended(bench: Any) -> None:
    bench.join()
    bench.coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    with pytest.raises(RequestError, match="not ended"):
        bench.coordinator.begin_slot(BeginSlot(1, Stage.DEVELOPMENT, 1.0))


def test_a_run_without_nodes_is_refused(bench: Any) -> None:
    with pytest.raises(RequestError) as caught:
        bench.coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    assert caught.value.code == "no_nodes"
