"""``tiny-gpt``: a small decoder-only transformer on bytes, with a key-value cache."""

from __future__ import annotations

import pytest
import torch

from edge_node.tasks.registry import find_task


def test_the_transformer_refuses_more_than_its_context():
    with pytest.raises(ValueError, match="do not fit the model's 80"):
        find_task("tiny-gpt").model().read(torch.zeros(1, 81, dtype=torch.int64), None)


def test_no_token_sees_a_later_one():
    model = find_task("tiny-gpt").model()
    tokens = torch.randint(0, 258, (1, 20))
    changed = tokens.clone()
    changed[0, 12:] = 7
    with torch.no_grad():
        torch.testing.assert_close(model(tokens)[:, :12], model(changed)[:, :12])
