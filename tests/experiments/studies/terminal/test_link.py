"""The shaped link: rates that integrate to bytes, messages that arrive as sent, refusals, two processes."""

from __future__ import annotations

import math
import socket
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edge_node.splitting.partition import TensorSpec
from experiments.studies.terminal.client import EdgeLink
from experiments.studies.terminal.options import Options, TileOption, build_options, scores
from experiments.studies.terminal.server import answer, serve
from experiments.studies.terminal.settings import QUICK
from experiments.studies.terminal.shaper import CHUNK_BYTES, RateSchedule, ShapedSender
from experiments.studies.terminal.training import (
    Data,
    Models,
    digest_of,
    load_data,
    load_models,
    save_models,
    train_models,
)
from experiments.studies.terminal.wire import (
    Kind,
    LinkError,
    Message,
    receive,
    tensors_from_bytes,
    tensors_to_bytes,
)

TINY = QUICK.__class__("digits", 48, 12, 1, 1, 2, 12, 12, 1)

rates = st.lists(st.floats(1e3, 1e8), min_size=1, max_size=8)


@given(rates, st.floats(0.0, 20.0), st.floats(1.0, 1e6))
def test_bits_sent_are_the_integral_of_the_rate(values: list[float], begin: float, size: float) -> None:
    schedule = RateSchedule.stepped(values, 1.0)
    end = schedule.finish_s(begin, size)
    edges = [begin, *[float(k) for k in range(1, len(values)) if begin < k < end], end]
    sent = sum(schedule.at((a + b) / 2) * (b - a) for a, b in pairwise(edges))
    assert sent == pytest.approx(8 * size, rel=1e-6)


class Clock:
    """A clock that advances only by sleeping, slightly late each time, as on a real machine."""

    def __init__(self, late_s: float) -> None:
        self.now, self.late_s = 5.0, late_s

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds + self.late_s


@given(st.integers(1, 20_000), st.floats(1e4, 1e7), st.floats(0.0, 1e-3))
def test_a_message_takes_its_time_on_the_air_and_lateness_does_not_add_up(
    size: int, rate: float, late: float
) -> None:
    clock, sent = Clock(late), []
    sender = ShapedSender(sent.append, clock, clock.sleep)
    sender.set_schedule(RateSchedule.constant(rate))
    sender.send(bytes(size))
    assert sender.sent_bytes == sum(map(len, sent)) == size
    assert all(len(chunk) <= CHUNK_BYTES for chunk in sent)
    assert 8 * size / rate <= sender.elapsed_s + 1e-9
    assert sender.elapsed_s <= 8 * size / rate + late + 1e-9


def test_idle_time_is_not_saved_up() -> None:
    clock = Clock(0.0)
    sender = ShapedSender(lambda chunk: None, clock, clock.sleep)
    sender.set_schedule(RateSchedule.constant(8000.0))
    clock.now += 100.0
    before = clock.now
    sender.send(bytes(1000))
    assert clock.now - before == pytest.approx(1.0)
    sender.set_schedule(RateSchedule.constant(math.inf))
    sender.send(bytes(1000))
    assert clock.now - before == pytest.approx(1.0)


def test_bad_schedules_are_refused() -> None:
    for starts, values in (((1.0,), (1.0,)), ((0.0, 0.0), (1.0, 1.0)), ((0.0,), (0.0,)), ((0.0,), ())):
        with pytest.raises(ValueError):
            RateSchedule(starts, values)


@given(st.binary(max_size=500), st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1))
def test_messages_arrive_as_sent(payload: bytes, option: int, sequence: int) -> None:
    here, there = socket.socketpair()
    with here, there:
        message = Message(Kind.REQUEST, option, sequence, payload)
        here.sendall(message.encode())
        assert receive(there) == message
        assert message.num_bytes == len(message.encode())


@pytest.mark.parametrize(
    "data", [b"XXXX" + bytes(11), b"DTB1\x63" + bytes(10), b"DTB1\x01\0\0\0\0\0\0\xff\xff\xff\xff", b"DT"]
)
def test_what_is_no_message_is_refused(data: bytes) -> None:
    here, there = socket.socketpair()
    with there:
        here.sendall(data)
        here.close()
        with pytest.raises(LinkError):
            receive(there)


@pytest.mark.parametrize("last", [False, True])
def test_tensors_keep_values_and_memory_order(last: bool) -> None:
    tensor = torch.randn(1, 3, 4, 5)
    tensor = tensor.contiguous(memory_format=torch.channels_last) if last else tensor
    specs = (TensorSpec.of(tensor), TensorSpec((1, 2), torch.int64, False))
    whole = torch.tensor([[3, -4]])
    back = tensors_from_bytes(tensors_to_bytes((tensor, whole), specs), specs)
    assert torch.equal(back[0], tensor)
    assert back[0].stride() == tensor.stride()
    assert torch.equal(back[1], whole)
    with pytest.raises(ValueError, match="bytes"):
        tensors_from_bytes(b"abc", specs)
    with pytest.raises(ValueError, match="cut has"):
        tensors_to_bytes((whole, tensor), specs)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


@pytest.fixture(scope="module")
def data() -> Data:
    return load_data(TINY)


@pytest.fixture(scope="module")
def models(cache: Path, data: Data) -> Models:
    return train_models(data, TINY, 0, lambda what: None)


@pytest.fixture(scope="module")
def options(models: Models) -> Options:
    return build_options(models)


def test_training_is_cached_by_content_and_the_same_by_seed(cache: Path, data: Data, models: Models) -> None:
    again = train_models(data, TINY, 0, lambda what: None)
    assert models.trained_now
    assert not again.trained_now
    for a, b in zip(models.base.parameters(), again.base.parameters(), strict=True):
        assert torch.equal(a, b)
    assert digest_of(data, TINY, 1) != models.digest
    assert len(list(cache.rglob("*.safetensors"))) == 1


def test_saved_models_answer_as_before(tmp_path: Path, data: Data, models: Models, options: Options) -> None:
    save_models(models, tmp_path / "m.safetensors")
    loaded = build_options(load_models(tmp_path / "m.safetensors", models.digest))
    frame = data.test_frames[0, 0]
    for ours, theirs in zip(options.offload, loaded.offload, strict=True):
        payload = ours.encode(frame)
        if ours.payload_bytes is not None:
            assert len(payload) == ours.payload_bytes
        assert torch.equal(theirs.answer(payload), ours.answer(payload))


def test_exact_options_give_the_models_scores(data: Data, models: Models, options: Options) -> None:
    for option in options.offload:
        if option.mechanism in ("full offloading", "partial offloading"):
            for frame in data.test_frames[:3, 0]:
                assert torch.equal(option.answer(option.encode(frame)), scores(models.base, frame))


def test_garbage_is_answered_with_a_reason(options: Options) -> None:
    for index, option in enumerate(options.offload):
        reply = answer(Message(Kind.REQUEST, index, 7, b"\0"), options)
        assert reply.kind is Kind.ERROR
        assert reply.sequence == 7
        option.reset()
    assert answer(Message(Kind.REQUEST, 999, 7, b""), options).kind is Kind.ERROR


def test_a_server_ends_when_the_terminal_goes_away(options: Options) -> None:
    here, there = socket.socketpair()
    ended: list[object] = []

    def run() -> None:
        try:
            serve(there, options)
        except SystemExit as stop:
            ended.append(stop.code)

    worker = threading.Thread(target=run)
    worker.start()
    here.close()
    worker.join(10)
    there.close()
    assert ended
    assert "ended" in str(ended[0])


@pytest.mark.e2e
def test_two_processes_count_the_same_bytes(
    tmp_path: Path, data: Data, models: Models, options: Options
) -> None:
    save_models(models, tmp_path / "m.safetensors")
    frames = data.test_frames[:4, 0]
    with EdgeLink(tmp_path / "m.safetensors", models.digest, options, tmp_path / "log") as link:
        for option in options.offload:
            link.reset(option.name)
            replies = [link.infer(option.name, frame) for frame in frames]
            here, there = link.counts()
            assert here == there
            assert here.up_bytes == sum(reply.up_bytes for reply in replies)
            if not isinstance(option, TileOption):
                assert here.up_bytes == len(frames) * option.split().up_bytes
                assert here.down_bytes == len(frames) * option.split().down_bytes
            if option.name == "full":
                assert all(
                    torch.equal(r.logits, scores(models.base, f))
                    for r, f in zip(replies, frames, strict=True)
                )
        link.shape(RateSchedule.constant(2e5))
        reply = link.infer("full", frames[0])
        assert reply.send_s >= 8 * reply.up_bytes / 2e5
    assert np.all(np.isfinite(reply.logits.numpy()))
