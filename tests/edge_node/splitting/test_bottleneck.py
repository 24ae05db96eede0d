"""Semantic compression at a cut: a 1 x 1 convolution to few channels, quantised; the server's undoes it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edge_node.splitting.bottleneck import Bottleneck, pack, unpack


@given(st.integers(1, 5), st.integers(1, 7), st.sampled_from([4, 8]), st.integers(0, 2**32 - 1))
def test_packing_loses_nothing(channels: int, side: int, bits: int, seed: int) -> None:
    codes = np.random.default_rng(seed).integers(0, 2**bits, (channels, side, side), dtype=np.uint8)
    data = pack(codes, (-0.75, 2.5), bits)
    back, ranges = unpack(data, codes.shape, bits)
    assert np.array_equal(back, codes)
    assert ranges == (-0.75, 2.5)
    with pytest.raises(ValueError, match="bytes"):
        unpack(data + b"x", codes.shape, bits)


@pytest.mark.parametrize("bits", [4, 8])
def test_bottleneck_ends_agree_with_training(bits: int) -> None:
    torch.manual_seed(0)
    bottleneck = Bottleneck(6, 3, bits)
    features = torch.relu(torch.randn(5, 6, 8, 8))
    with torch.no_grad():
        codes, ranges = bottleneck.codes(features)
        assert torch.allclose(bottleneck.restored(codes, ranges), bottleneck(features), atol=1e-5)
        assert int(codes.max()) <= bottleneck.levels
    assert len(pack(codes[0].numpy(), (0.0, 1.0), bits)) == bottleneck.num_bytes(8, 8)
    bottleneck(features).sum().backward()
    assert bottleneck.encoder.weight.grad is not None
    assert bottleneck.encoder.weight.grad.abs().sum() > 0


def test_principal_components_restore_features_of_low_rank() -> None:
    torch.manual_seed(0)
    features = torch.einsum("bkhw,kc->bchw", torch.rand(8, 2, 6, 6), torch.rand(2, 5))
    bottleneck = Bottleneck(5, 2, 8)
    bottleneck.start_from(features)
    with torch.no_grad():
        assert (bottleneck(features) - features).abs().max() < 0.02


def test_bad_range_and_bits_are_refused() -> None:
    data = np.float32("nan").tobytes() * 2 + bytes(4)
    with pytest.raises(ValueError, match="range"):
        unpack(data, (1, 2, 2), 8)
    with pytest.raises(ValueError, match="bits"):
        Bottleneck(2, 1, 3)
