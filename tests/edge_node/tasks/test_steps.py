"""Products of bfloat16 on processors with and without it. Steps themselves: test_workload.py."""

from __future__ import annotations

import pytest
import torch

from edge_node.tasks import steps
from edge_node.tasks.steps import StepOptions


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch without oneDNN")
@pytest.mark.parametrize("there", [True, False])
def test_products_are_onednn_s_where_it_has_bfloat16(monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    monkeypatch.setattr(steps, "_has_bfloat16", lambda: there)
    used = []

    def fails() -> None:
        with StepOptions(0.1, precision="bfloat16").products("cpu"):
            used.append(torch._C._get_mkldnn_enabled())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert used == [there]
    assert torch._C._get_mkldnn_enabled()
    assert not torch.is_autocast_enabled("cpu")


def test_an_lstm_of_torch_s_learns_in_bfloat16_on_every_processor() -> None:
    layer = torch.nn.LSTM(3, 4)
    with StepOptions(0.1, precision="bfloat16").products("cpu"):
        output, _ = layer(torch.ones(5, 2, 3))
        output.float().sum().backward()
    assert all(parameter.grad is not None for parameter in layer.parameters())
