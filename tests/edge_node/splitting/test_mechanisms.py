"""Compression, pruning, the controller's hysteresis and incremental inference."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_node.splitting.bottleneck import Bottleneck, pack, unpack
from edge_node.splitting.controller import Objective, Option, Rules, Scene, State, best, decide
from edge_node.splitting.energy import AccessPoint, Link, Server, Split
from edge_node.splitting.incremental import Changes, IncrementalCnn, TileReceiver, TileSender
from edge_node.splitting.incremental import Rules as Look
from edge_node.splitting.network import FrameCnn
from edge_node.splitting.parameters import default_terminal
from edge_node.splitting.pruning import pruned
from edge_node.tasks.flops import count_flop


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


def test_pruning_keeps_what_it_keeps() -> None:
    torch.manual_seed(0)
    model = FrameCnn()
    x = torch.randint(0, 256, (2, 1, 48, 48), dtype=torch.uint8)
    with torch.no_grad():
        assert torch.allclose(pruned(model, 1.0)(x), model(x), atol=1e-5)
    half = pruned(model, 0.5)
    assert half.widths == tuple(width // 2 for width in model.widths)
    assert count_flop(half, x[:1]).forward < 0.35 * count_flop(model, x[:1]).forward
    with pytest.raises(ValueError, match="width_fraction"):
        pruned(model, 0.0)


def test_pruning_dead_channels_changes_nothing() -> None:
    torch.manual_seed(0)
    model = FrameCnn()
    with torch.no_grad():
        for layer in model.features:
            if isinstance(layer, torch.nn.Conv2d):
                layer.weight[::2] = 0
                layer.bias[::2] = 0
        x = torch.randint(0, 256, (2, 1, 48, 48), dtype=torch.uint8)
        assert torch.allclose(pruned(model, 0.5)(x), model(x), atol=1e-5)


SCENE = Scene(default_terminal(), Server(5e10, 57.0), AccessPoint(2.0))
OPTIONS = {
    "local": Option("local", Split(4e6, 0.0, 0.0, 0.0), 0.97),
    "full": Option("full", Split(0.0, 4e6, 2304.0, 40.0), 0.97),
    "partial": Option("partial", Split(3e5, 3.7e6, 600.0, 40.0), 0.94),
}


@given(st.floats(1e4, 1e8), st.sampled_from(list(Objective)), st.floats(0.001, 1.0))
def test_best_is_feasible_and_cheapest(rate: float, objective: Objective, deadline: float) -> None:
    rules = Rules(objective=objective, deadline_s=deadline, least_accuracy_fraction=0.95)
    link = Link(rate, rate)
    name = best(OPTIONS, SCENE, link, rules)
    assert OPTIONS[name].accuracy_fraction >= 0.95
    costs = {n: SCENE.cost(o.split, link) for n, o in OPTIONS.items() if o.accuracy_fraction >= 0.95}
    timely = {n: c for n, c in costs.items() if c.latency_s <= deadline}
    if timely:
        assert name in timely
        values = {
            n: c.terminal_j if objective is Objective.TERMINAL else c.system_j for n, c in timely.items()
        }
        assert values[name] == min(values.values())
    else:
        assert costs[name].latency_s == min(c.latency_s for c in costs.values())


@given(st.lists(st.floats(1e5, 2e7), min_size=1, max_size=60), st.integers(1, 6))
def test_hold_spaces_changes(rates: list[float], hold: int) -> None:
    rules = Rules(margin_fraction=0.05, hold=hold)
    state, since = State("local"), 0
    for rate in rates:
        then = decide(state, OPTIONS, SCENE, Link(rate, rate), rules)
        since += 1
        if then.current != state.current:
            assert since >= hold
            since = 0
        state = then


def test_one_good_moment_changes_nothing_but_a_good_link_does() -> None:
    rules = Rules(margin_fraction=0.1, hold=3)
    poor, good = Link(5e4, 5e4), Link(2e7, 2e7)
    state = State("local")
    for link in (poor, good, poor, good, good, poor):
        state = decide(state, OPTIONS, SCENE, link, rules)
        assert state.current == "local"
    for _ in range(3):
        state = decide(state, OPTIONS, SCENE, good, rules)
    assert state.current != "local"


def test_a_missed_deadline_changes_at_once() -> None:
    rules = Rules(deadline_s=0.05, hold=10)
    state = decide(State("full"), OPTIONS, SCENE, Link(1e5, 1e5), rules)
    assert state.current == "local"
    with pytest.raises(ValueError, match="lower the bound"):
        best(OPTIONS, SCENE, Link(1e5, 1e5), Rules(least_accuracy_fraction=0.99))


def moving(frames: int, seed: int) -> np.ndarray:
    """A bright square that moves over a fixed pattern and sometimes stands still."""
    rng = np.random.default_rng(seed)
    ground = rng.integers(0, 60, (48, 48), dtype=np.uint8)
    sequence = np.repeat(ground[None], frames, axis=0)
    top, left = rng.integers(0, 36, 2)
    for frame in sequence:
        top, left = np.clip([top, left] + rng.integers(-2, 3, 2) * rng.integers(0, 2), 0, 36)
        frame[top : top + 12, left : left + 12] = 220
    return sequence


@settings(max_examples=8)
@given(st.integers(0, 2**32 - 1))
def test_incremental_without_threshold_is_the_full_model(seed: int) -> None:
    torch.manual_seed(0)
    model = FrameCnn().eval()
    runner = IncrementalCnn(model, Look(threshold=0, refresh=100))
    full = count_flop(model, torch.zeros(1, 1, 48, 48, dtype=torch.uint8)).forward
    first, later = 0.0, []
    for index, frame in enumerate(moving(8, seed)):
        answer = runner.infer(frame)
        with torch.no_grad():
            expected = model(torch.from_numpy(frame.copy())[None, None])[0]
        assert torch.allclose(answer.logits, expected, atol=1e-4)
        first = answer.flop if index == 0 else first
        later += [answer.flop] if index else []
    assert first == pytest.approx(full + 2.0 * 48 * 48)
    assert max(later) < first


def test_a_still_scene_costs_only_the_comparison() -> None:
    runner = IncrementalCnn(FrameCnn(), Look())
    frame = moving(1, 0)[0]
    runner.infer(frame)
    answer = runner.infer(frame)
    assert answer.flop == 2.0 * 48 * 48
    assert answer.changed_tiles_fraction == 0


def test_held_frame_is_never_off_by_more_than_the_threshold() -> None:
    rng = np.random.default_rng(3)
    changes = Changes(Look(threshold=9, refresh=50))
    frame = rng.integers(0, 256, (48, 48), dtype=np.uint8)
    for _ in range(30):
        frame = np.clip(frame + rng.integers(-3, 4, frame.shape), 0, 255).astype(np.uint8)
        changes.take(frame)
        assert changes.held is not None
        assert np.abs(changes.held.astype(int) - frame).max() <= 9


def test_refresh_takes_everything() -> None:
    changes = Changes(Look(threshold=255, refresh=4))
    frames = moving(9, 1)
    assert [bool(changes.take(frame).all()) for frame in frames] == [k % 4 == 0 for k in range(9)]
    with pytest.raises(ValueError, match="multiples"):
        changes.take(np.zeros((47, 48), np.uint8))


@given(st.integers(0, 2**32 - 1), st.integers(0, 20))
def test_both_ends_hold_the_same_frame(seed: int, threshold: int) -> None:
    sender, receiver = TileSender(Look(threshold=threshold, refresh=5)), TileReceiver(48)
    for frame in moving(7, seed):
        data = sender.encode(frame)
        assert np.array_equal(receiver.decode(data), sender.changes.held)
        if threshold == 0:
            assert np.array_equal(receiver.frame, frame)
        with pytest.raises(ValueError):
            receiver.decode(data[:-1])
