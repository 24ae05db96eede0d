"""The ways to answer a frame that terminal and server both know, each with its two ends and its costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from edge_node.splitting.bottleneck import Bottleneck, pack, unpack
from edge_node.splitting.energy import Split
from edge_node.splitting.incremental import Frame, Rules, TileReceiver, TileSender
from edge_node.splitting.network import FRAME_PIXELS, FrameCnn
from edge_node.splitting.parameters import default_terminal, load_parameters
from edge_node.splitting.partition import Partitioner
from edge_node.splitting.profile import OperationProfile, profile
from edge_node.splitting.quantisation import IntegerCnn, with_int4_weights
from edge_node.splitting.recurrent import FrameFeatures, Memory, RecurrentHead, VideoCnn
from experiments.studies.terminal.settings import (
    BITS,
    CUTS,
    REFERENCE_REFRESH,
    REFERENCE_THRESHOLD_GREY,
    WIDTH_FRACTIONS,
)
from experiments.studies.terminal.training import Models
from experiments.studies.terminal.wire import HEADER_BYTES, tensors_from_bytes, tensors_to_bytes

CLASSES = 10
QUANTISATION = "quantisation"
INT8, INT4 = "local, int8", "local, int4 weights"
VIDEO = "video-like model"
VIDEO_CUT = "features_8"
"""Where the video-like model is cut with values as they are."""
VIDEO_CODE = ("features_2", 4)
"""Cut and bits where the video-like model is cut behind a bottleneck: the one with the fewest operations before it."""
ANSWER_BYTES = HEADER_BYTES + 4 * CLASSES


class OffloadOption:
    """A way with traffic: what the terminal sends of a frame, what the server makes of it.

    Args:
        name: For tables and messages.
        mechanism: Group it belongs to.
        encode: Frame (48, 48) uint8 -> payload, on the terminal.
        answer: Payload -> class scores (10,), on the server. Raises ValueError for a payload that is none.
        terminal_flop: Operations on the terminal for one frame.
        server_flop: Operations on the server for one frame.
        payload_bytes: Of one frame; None where frames differ.
    """

    remembers = False
    """Whether an answer depends on earlier frames."""

    def __init__(
        self,
        name: str,
        mechanism: str,
        encode: Callable[[Frame], bytes],
        answer: Callable[[bytes], Tensor],
        terminal_flop: float,
        server_flop: float,
        payload_bytes: int | None,
    ) -> None:
        self.name, self.mechanism = name, mechanism
        self.encode, self.answer = encode, answer
        self.terminal_flop, self.server_flop = terminal_flop, server_flop
        self.payload_bytes = payload_bytes

    def reset(self) -> None:
        """Forget earlier frames; most ways remember none."""

    def split(self, payload_bytes: float | None = None) -> Split:
        """Work and traffic of one inference, headers included."""
        payload = self.payload_bytes if payload_bytes is None else payload_bytes
        if payload is None:
            raise ValueError(f"{self.name} sends a different number of bytes each time; give their mean")
        return Split(self.terminal_flop, self.server_flop, HEADER_BYTES + payload, float(ANSWER_BYTES))


class TileOption(OffloadOption):
    """Incremental offloading: both ends keep the frame, changed tiles travel."""

    remembers = True

    def __init__(self, name: str, model: FrameCnn, rules: Rules, flop: float) -> None:
        self._model, self._rules = model, rules
        self.reset()
        compare = 2.0 * FRAME_PIXELS**2
        super().__init__(name, "incremental inference", self._encode, self._answer, compare, flop, None)

    def reset(self) -> None:
        self._sender, self._receiver = TileSender(self._rules), TileReceiver(FRAME_PIXELS)

    def _encode(self, frame: Frame) -> bytes:
        return self._sender.encode(frame)

    def _answer(self, payload: bytes) -> Tensor:
        return scores(self._model, self._receiver.decode(payload))


class VideoOption(OffloadOption):
    """The video-like model with its state on the server.

    Args:
        name: For tables and messages.
        hidden: What the terminal sends of a frame, and how the server makes the hidden layer (hidden,) of it.
        head: Recurrent layer, on the server.
    """

    remembers = True

    def __init__(self, name: str, hidden: OffloadOption, head: RecurrentHead) -> None:
        self._hidden, self._memory = hidden, Memory(head)
        behind = hidden.server_flop + head.flop
        super().__init__(
            name, VIDEO, hidden.encode, self._answer, hidden.terminal_flop, behind, hidden.payload_bytes
        )

    def reset(self) -> None:
        self._memory.reset()

    def _answer(self, payload: bytes) -> Tensor:
        return self._memory.advance(self._hidden.answer(payload))


@dataclass(frozen=True)
class LocalOption:
    """(E1): nothing travels."""

    name: str
    mechanism: str
    model: nn.Module
    flop: float
    """Operations; those in int8 times ``int8_cost_fraction``, so that all cost what one in float32 does."""

    @property
    def remembers(self) -> bool:
        """Whether an answer depends on earlier frames."""
        return isinstance(self.model, VideoCnn)

    def reset(self) -> None:
        """Forget earlier frames; most ways remember none."""
        if isinstance(self.model, VideoCnn):
            self.model.reset()

    def split(self) -> Split:
        """Work of one inference."""
        return Split(self.flop, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Options:
    """All of them; the offloading ones in the order both processes number them by."""

    local: list[LocalOption]
    offload: list[OffloadOption]
    operations: list[OperationProfile]
    """Profile of the unsplit model."""
    partitioner: Partitioner

    @property
    def all(self) -> list[LocalOption | OffloadOption]:
        """Local ones first."""
        return [*self.local, *self.offload]

    def index(self, name: str) -> int:
        """Number of an offloading option on the wire."""
        return next(k for k, option in enumerate(self.offload) if option.name == name)


def example_frame() -> Tensor:
    """A frame as the models take it, batch of one."""
    return torch.zeros(1, 1, FRAME_PIXELS, FRAME_PIXELS, dtype=torch.uint8)


@torch.no_grad()
def scores(model: nn.Module, frame: Frame) -> Tensor:
    """Class scores of one frame (48, 48)."""
    return model(torch.from_numpy(frame.copy())[None, None])[0]


def build_options(models: Models, recurrent: RecurrentHead, profile_repeats: int = 1) -> Options:
    """All options of the study; deterministic but for the measured times in ``operations``.

    Args:
        models: Of ``training``.
        recurrent: Layer over time of the video-like model, ``video_training``.
        profile_repeats: Timed runs of the unsplit model.
    """
    terminal = default_terminal()
    partitioner = Partitioner(models.base, example_frame())
    operations = profile(partitioner, example_frame(), terminal, profile_repeats)
    flop = sum(operation.flop for operation in operations)
    local = [LocalOption("local", "local", models.base, flop)]
    for kind, mechanism, narrow_models in (
        ("width", "width pruning", models.pruned),
        ("distilled", "distillation", models.distilled),
    ):
        for fraction in WIDTH_FRACTIONS:
            model = narrow_models[fraction]
            narrow = profile(Partitioner(model, example_frame()), example_frame(), terminal, 1)
            name = f"local, {kind} {fraction:g}"
            local.append(LocalOption(name, mechanism, model, sum(o.flop for o in narrow)))
    integer = IntegerCnn(models.base, models.activation_scales)
    cost = load_parameters().int8_cost_fraction
    local.append(LocalOption(INT8, QUANTISATION, integer, cost * flop))
    local.append(LocalOption(INT4, QUANTISATION, with_int4_weights(models.base), flop))
    offload = [_exact(partitioner, operations, "input", "full")]
    offload += [_exact(partitioner, operations, cut, f"cut {k + 1}") for k, cut in enumerate(CUTS)]
    for k, cut in enumerate(CUTS):
        for bits in BITS:
            bottleneck, tail = models.compressed[cut, bits]
            offload.append(
                _compressed(partitioner, operations, cut, bottleneck, tail, f"cut {k + 1}, {bits} bits")
            )
    rules = Rules(REFERENCE_THRESHOLD_GREY, REFERENCE_REFRESH)
    offload.append(TileOption("full, changed tiles", models.base, rules, flop))
    video_local, video_offload = _video(models, recurrent)
    return Options([*local, video_local], [*offload, *video_offload], operations, partitioner)


def _video(models: Models, recurrent: RecurrentHead) -> tuple[LocalOption, list[OffloadOption]]:
    """The video-like model on the terminal, and in three ways with its state on the server."""
    partitioner = Partitioner(FrameFeatures(models.base), example_frame())
    operations = profile(partitioner, example_frame(), default_terminal(), 1)
    flop = sum(operation.flop for operation in operations) + recurrent.flop
    local = LocalOption("local, video", VIDEO, VideoCnn(models.base, recurrent), flop)
    exact = [
        _exact(partitioner, operations, "input", "full"),
        _exact(partitioner, operations, VIDEO_CUT, f"cut {CUTS.index(VIDEO_CUT) + 1}"),
    ]
    cut, bits = VIDEO_CODE
    tail = Partitioner(FrameFeatures(models.tails[cut, bits]), example_frame())
    server = tail.split(tail.cut_after(cut).position).server
    name = f"cut {CUTS.index(cut) + 1}, {bits} bits"
    code = _compressed(partitioner, operations, cut, models.compressed[cut, bits][0], server, name)
    return local, [VideoOption(f"{hidden.name}, video", hidden, recurrent) for hidden in [*exact, code]]


def _exact(
    partitioner: Partitioner, operations: list[OperationProfile], after: str, name: str
) -> OffloadOption:
    cut = partitioner.cut_after(after)
    parts = partitioner.split(cut.position)

    @torch.no_grad()
    def encode(frame: Frame) -> bytes:
        return tensors_to_bytes(parts.terminal(torch.from_numpy(frame.copy())[None, None]), cut.specs)

    @torch.no_grad()
    def answer(payload: bytes) -> Tensor:
        return parts.server(*tensors_from_bytes(payload, cut.specs))[0]

    before, behind = _shared(operations, cut.position)
    mechanism = "full offloading" if cut.position == 0 else "partial offloading"
    return OffloadOption(name, mechanism, encode, answer, before, behind, cut.num_bytes)


def _compressed(
    partitioner: Partitioner,
    operations: list[OperationProfile],
    after: str,
    bottleneck: Bottleneck,
    tail: nn.Module,
    name: str,
) -> OffloadOption:
    cut = partitioner.cut_after(after)
    terminal = partitioner.split(cut.position).terminal
    height, width = cut.specs[0].shape[-2:]
    shape = (bottleneck.code_channels, height, width)

    @torch.no_grad()
    def encode(frame: Frame) -> bytes:
        codes, ranges = bottleneck.codes(terminal(torch.from_numpy(frame.copy())[None, None])[0])
        low, high = ranges[0].tolist()
        return pack(codes[0].numpy(), (low, high), bottleneck.bits)

    @torch.no_grad()
    def answer(payload: bytes) -> Tensor:
        codes, ranges = unpack(payload, shape, bottleneck.bits)
        restored = bottleneck.restored(
            torch.from_numpy(codes)[None], torch.tensor(np.array([ranges], np.float32))
        )
        return tail(restored)[0]

    before, behind = _shared(operations, cut.position)
    squeeze, widen = bottleneck.flop(height, width)
    payload = bottleneck.num_bytes(height, width)
    return OffloadOption(
        name, "semantic compression", encode, answer, before + squeeze, behind + widen, payload
    )


def _shared(operations: list[OperationProfile], position: int) -> tuple[float, float]:
    return sum(o.flop for o in operations[:position]), sum(o.flop for o in operations[position:])
