"""The perceptron's step by hand."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_node.tasks.base import Task
from edge_node.tasks.registry import find_task


@settings(max_examples=15, deadline=None)
@given(steps=st.lists(st.tuples(st.integers(0, 1), st.sampled_from([1, 7, 32])), min_size=1, max_size=8))
def test_steps_of_several_models_and_batch_sizes_in_turn_are_those_of_plain_sgd(steps):
    task = find_task("mnist-mlp")
    torch.manual_seed(len(steps))
    by_hand, plain = ([task.model() for _ in range(2)] for _ in range(2))
    for one, other in zip(by_hand, plain, strict=True):
        other.load_state_dict(one.state_dict())
    kept = [list(model.parameters()) for model in by_hand]
    for which, size in steps:
        x, y = torch.randn(size, 1, 28, 28), torch.randint(0, 10, (size,))
        loss = task.sgd_step(by_hand[which], kept[which], x, y, 0.05)
        expected = Task.sgd_step(task, plain[which], list(plain[which].parameters()), x, y, 0.05)
        torch.testing.assert_close(loss, expected, rtol=1e-4, atol=1e-5)
        assert not loss.requires_grad
    for one, other in zip(by_hand, plain, strict=True):
        for mine, theirs in zip(one.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)
