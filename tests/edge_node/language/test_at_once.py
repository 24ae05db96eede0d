"""Requests answered at the same time by the real server: one window, shares that add up, and what a death costs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from edge_node.config import LanguageConfig, TokenCosts
from edge_node.language.prompts import LENGTHS
from edge_node.language.work import LanguageWorkload
from edge_node.meters.base import MeterContext
from edge_node.meters.modelled import ModelledMeter
from edge_node.meters.pieces import Pieces
from protos.messages.terms import Component, Stage
from tests.edge_node.language.real_node import dies_in_mid_answer
from tests.edge_node.language.test_work import BOARD, Node, config

__all__ = ["config"]
pytestmark = pytest.mark.processes
COSTS = TokenCosts(prefill_j=(0.1, 0.02, 0.0), step_j=(0.03, 0.02, 0.0001), watts=4.0)


@pytest.fixture(scope="module")
def node(config: LanguageConfig) -> Iterator[Node]:
    made = Node(config.model_copy(update={"at_once": 4, "costs": COSTS}))
    made.work.requests_per_batch = 4
    yield made
    made.server.stop()


def test_shares_add_up_to_the_window_and_every_request_is_answered(node: Node) -> None:
    node.meter.open(0)
    result = node.infer(0)
    assert (result.requests, result.batches, result.output_tokens) == (4, 1, 24)
    assert all(use.cached_tokens + use.prefilled_tokens == 40 for use in result.uses)
    compute_j = sum(use.compute_j or 0.0 for use in result.uses)
    booked = node.energies()[Stage.APPLICATION, Component.COMPUTE] / 1e6
    assert 0.9 * booked < compute_j <= booked + 1e-6  # what comes after the window is the whole's
    # Joules are of all CPU time; seconds of the board are at most the window's, in which server and node may both run.
    assert 4.0 * sum(use.seconds for use in result.uses) <= compute_j + 1e-6
    # One window: the same share of its joules and of its seconds.
    watts = [(use.compute_j or 0.0) / use.seconds for use in result.uses]
    assert watts == pytest.approx([watts[0]] * 4)
    assert [use.together.group for use in result.uses if use.together] == [0] * 4
    for use in result.uses:
        assert use.together is not None
        assert 0 < use.together.first_fraction < use.together.done_fraction <= 1
        assert 0 < use.prefill_fraction < 1


def test_longer_requests_have_more_of_the_joules(node: Node) -> None:
    node.meter.open(1)
    lengths = np.array([[40, 40], [40, 40], [10, 4], [10, 4]], dtype=np.int32)
    uses = node.infer(1, **{LENGTHS: lengths}).uses
    joules = [use.compute_j or 0.0 for use in uses]
    assert min(joules[:2]) > 3 * max(joules[2:])
    assert [use.tokens_out for use in uses] == [40, 40, 4, 4]


def test_answers_are_those_of_one_after_the_other_for_one_request(node: Node, config: LanguageConfig) -> None:
    """A batch of five leaves one alone, which has its turn as before."""
    node.meter.open(2)
    node.work.requests_per_batch = 5
    try:
        uses = node.infer(2).uses
    finally:
        node.work.requests_per_batch = 4
    assert [use.together is None for use in uses] == [False] * 4 + [True]
    assert all(not use.failed for use in uses)


def test_what_was_not_answered_when_the_server_died_has_failed_and_is_waste(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.infer(3)
    node.meter.open(3)
    dies_in_mid_answer(node, monkeypatch)
    lengths = np.array([[10, 1], [40, 200], [40, 200], [40, 200]], dtype=np.int32)
    result = node.infer(4, **{LENGTHS: lengths})
    failed = [use for use in result.uses if use.failed]
    assert len(failed) >= 3
    assert all("broke off" in use.failed for use in failed)
    energies = node.energies()
    lost = sum(use.compute_j or 0.0 for use in failed)
    assert energies[Stage.APPLICATION, Component.WASTE] == pytest.approx(lost * 1e6, rel=0.05, abs=3)
    assert node.infer(5).requests == 4  # another server
    assert node.server.restarts >= 1


def test_a_prompt_that_does_not_fit_fails_alone(node: Node) -> None:
    lengths = np.array([[40, 250], [40, 6], [40, 6], [40, 6]], dtype=np.int32)
    uses = node.infer(6, **{LENGTHS: lengths}).uses
    assert "raise task.llm.context_tokens" in uses[0].failed
    assert [use.tokens_out for use in uses] == [0, 6, 6, 6]


def test_under_a_meter_that_counts_joules_are_those_of_the_operations(node: Node) -> None:
    meter = ModelledMeter(MeterContext(BOARD, 100.0))
    work = LanguageWorkload(node.work._config, 4, (1, 0), node.server, Pieces(meter, BOARD))
    meter.open(0)
    meter.begin()
    result = work.infer({}, [work.batch(0, Stage.APPLICATION)])
    assert sum(use.compute_j or 0.0 for use in result.uses) == pytest.approx(
        4.0 * result.flop / BOARD.effective_flop_per_s
    )
    assert {use.together.done_fraction for use in result.uses if use.together} == {1.0}
