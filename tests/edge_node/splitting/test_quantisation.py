"""Weight quantisation of a network after training: int8 throughout, or int4 weights alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from edge_node.splitting.network import FrameCnn
from edge_node.splitting.quantisation import (
    INT4_LEVELS,
    INT8_LEVELS,
    IntegerCnn,
    _convolved,
    activation_scales,
    model_bytes,
    quantised_weight,
    with_int4_weights,
)


@pytest.fixture
def model() -> FrameCnn:
    torch.manual_seed(3)
    return FrameCnn().eval()


@pytest.fixture
def frames() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (12, 1, 48, 48), dtype=np.uint8))


@pytest.mark.parametrize("levels", [INT4_LEVELS, INT8_LEVELS])
def test_a_weight_is_off_by_at_most_half_a_step(model: FrameCnn, levels: int) -> None:
    for parameter in model.parameters():
        if parameter.dim() < 2:
            continue
        codes, scale = quantised_weight(parameter, levels)
        shape = (-1,) + (1,) * (parameter.dim() - 1)
        assert int(codes.abs().max()) == levels
        apart = (codes * scale.view(shape) - parameter).abs()
        assert (apart <= 0.5001 * scale.view(shape)).all()


def test_a_channel_of_zeros_stays_zero() -> None:
    codes, scale = quantised_weight(torch.zeros(2, 3), INT8_LEVELS)
    assert not codes.any()
    assert (scale > 0).all()


def test_integer_convolution_is_exact() -> None:
    # float64 holds every sum here exactly, so that an independent convolution must agree to the last digit.
    rng = np.random.default_rng(1)
    x = torch.from_numpy(rng.integers(-33, 223, (2, 5, 8, 8)).astype(np.int32))
    weight = torch.from_numpy(rng.integers(-127, 128, (7, 5, 3, 3)).astype(np.int32))
    bias = torch.from_numpy(rng.integers(-9999, 9999, 7).astype(np.int32))
    exact = torch.nn.functional.conv2d(x.double(), weight.double(), bias.double(), padding=1)
    found = _convolved(x, weight, bias)
    assert found.dtype == torch.int32
    assert torch.equal(found.double(), exact)


def test_int8_scores_are_near_those_of_float32(model: FrameCnn, frames: torch.Tensor) -> None:
    with torch.no_grad():
        expected = model(frames)
        found = IntegerCnn(model, activation_scales(model, frames))(frames)
    assert found.shape == expected.shape
    assert found.dtype == torch.float32
    assert (found - expected).abs().max() < 0.1 * (expected.max() - expected.min())
    assert torch.corrcoef(torch.stack([found.flatten(), expected.flatten()]))[0, 1] > 0.99


def test_a_frame_is_answered_alike_alone_and_in_a_batch(model: FrameCnn, frames: torch.Tensor) -> None:
    integer = IntegerCnn(model, activation_scales(model, frames))
    assert torch.equal(integer(frames)[3], integer(frames[3:4])[0])


def test_int4_weights_take_fifteen_values_per_channel_and_leave_the_model(model: FrameCnn) -> None:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = with_int4_weights(model)
    assert max(len(row.unique()) for row in found.head[1].weight) <= 2 * INT4_LEVELS + 1
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


def test_bytes_of_a_model(model: FrameCnn) -> None:
    assert model_bytes(model, 32) == 4 * sum(p.numel() for p in model.parameters())
    weights = sum(p.numel() for p in model.parameters() if p.dim() > 1)
    channels = sum(p.numel() for p in model.parameters() if p.dim() == 1)
    assert model_bytes(model, 8) == weights + 8 * channels
    assert model_bytes(model, 4) == weights // 2 + 8 * channels


def test_what_cannot_be_is_refused(model: FrameCnn, frames: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="no frames"):
        activation_scales(model, frames[:0])
    with pytest.raises(ValueError, match="one for each"):
        IntegerCnn(model, [1.0])
    with pytest.raises(ValueError, match="allowed are 4, 8 and 32"):
        model_bytes(model, 16)
