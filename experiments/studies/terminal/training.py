"""The study's models: trained here, deterministic by seed, kept in the cache folder under the hash of all they need.

The unsplit model; narrower ones made from it by pruning and fine-tuned; a bottleneck at each cut, trained with the
server's part while the terminal's part stays the model's own, so that one network on the terminal serves them all;
networks of the narrow widths that learn from the unsplit model's scores, and the same ones without a teacher.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from carbon_data.files.folders import cache_dir
from carbon_data.files.whole import whole_file
from edge_node.splitting.bottleneck import Bottleneck
from edge_node.splitting.distillation import Distillation
from edge_node.splitting.network import FrameCnn
from edge_node.splitting.partition import Partitioner
from edge_node.splitting.pruning import pruned
from edge_node.splitting.quantisation import activation_scales
from edge_node.tasks.data import images as image_data
from edge_node.tasks.data.dataset import Dataset
from experiments.studies.import_closure import closure_digest
from experiments.studies.terminal.fitting import fit
from experiments.studies.terminal.frames import Frames, scattered
from experiments.studies.terminal.settings import BITS, CODE_CHANNELS, CUTS, WIDTH_FRACTIONS, Extent

PEAK_LEARNING_RATE = 2e-3
TUNE_LEARNING_RATE = 1e-3
DISTILLATION = Distillation()

Labels = NDArray[np.int64]
Advance = Callable[[str], None]
"""Told the name of what was just trained."""


@dataclass(frozen=True)
class Models:
    """Everything both processes run."""

    base: FrameCnn
    pruned: dict[float, FrameCnn]
    compressed: dict[tuple[str, int], tuple[Bottleneck, nn.Module]]
    """By cut and bits: the bottleneck, and the server's part of a network fine-tuned behind it."""
    tails: dict[tuple[str, int], FrameCnn]
    """Whole networks whose later part is that fine-tuned one; the earlier part is ``base``'s."""
    distilled: dict[float, FrameCnn]
    """By width: trained from random weights on the unsplit model's scores and the labels."""
    alone: dict[float, FrameCnn]
    """By width: the same start, frames, order and epochs as ``distilled``, on the labels alone."""
    activation_scales: list[float]
    """Of ``base`` in int8, from training frames."""
    digest: str
    trained_now: bool


@dataclass(frozen=True)
class Data:
    """Images of one data set, cut down to an extent."""

    source: Dataset
    train: Frames
    train_labels: Labels
    test: Frames
    test_labels: Labels

    @property
    def test_frames(self) -> Frames:
        """The test set as frames, always the same: (N, 1, 48, 48)."""
        return scattered(self.test, seed=999)


def load_data(extent: Extent) -> Data:
    """Data set of an extent. Raises carbon_data.types.DataError when it is not at hand."""
    source = image_data.load(extent.data)
    return Data(
        source,
        source.train["images"][: extent.train_examples],
        source.train["labels"][: extent.train_examples],
        source.test["images"][: extent.test_examples],
        source.test["labels"][: extent.test_examples],
    )


def digest_of(data: Data, extent: Extent, seed: int) -> str:
    """Hash of code, libraries, images, settings and seed."""
    found = hashlib.sha256()
    found.update(closure_digest(__name__).encode())
    for array in (data.train, data.train_labels):
        found.update(np.ascontiguousarray(array).tobytes())
    settings = {"extent": asdict(extent), "seed": seed}
    found.update(json.dumps(settings, sort_keys=True).encode())
    return found.hexdigest()


def steps() -> int:
    """How often ``advance`` is called by ``train_models``."""
    return 1 + 3 * len(WIDTH_FRACTIONS) + len(CUTS) * len(BITS)


def train_models(data: Data, extent: Extent, seed: int, advance: Advance) -> Models:
    """All models of the study; from the cache folder when the same were trained before."""
    digest = digest_of(data, extent, seed)
    path = cache_dir() / "terminal" / f"{digest}.safetensors"
    if path.is_file():
        models = load_models(path, digest)
        for _ in range(steps()):
            advance("from the cache")
        return models
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        models = _train(data, extent, seed, digest, advance)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as draft:
        save_models(models, draft)
    return models


def _train(data: Data, extent: Extent, seed: int, digest: str, advance: Advance) -> Models:
    labels = torch.tensor(data.train_labels)

    def views(epochs: int) -> Iterable[tuple[Frames, tuple[Tensor]]]:
        for epoch in range(epochs):
            yield scattered(data.train, seed=1000 * seed + epoch), (labels,)

    base = FrameCnn()
    fit(base, list(base.parameters()), views(extent.epochs), extent.epochs, PEAK_LEARNING_RATE)
    advance("unsplit model")
    narrow = {}
    for fraction in WIDTH_FRACTIONS:
        model = pruned(base, fraction)
        epochs = 2 * extent.tune_epochs
        fit(model, list(model.parameters()), views(epochs), epochs, TUNE_LEARNING_RATE)
        narrow[fraction] = model
        advance(f"width {fraction:g}")
    compressed, tails = {}, {}
    for cut in CUTS:
        for bits in BITS:
            tail = copy.deepcopy(base)
            channels = base.widths[CUTS.index(cut)]
            bottleneck = Bottleneck(channels, CODE_CHANNELS[cut], bits)
            split = _split(tail, cut)
            terminal = _split(base, cut)[0]
            bottleneck.start_from(_features(terminal, scattered(data.train[:256], seed=1000 * seed)))
            features = ((_features(terminal, frames), known) for frames, known in views(extent.tune_epochs))
            joined = nn.Sequential(bottleneck, split[1])
            parameters = [*bottleneck.parameters(), *_later_parameters(tail, cut)]
            fit(joined, parameters, features, extent.tune_epochs, TUNE_LEARNING_RATE)
            compressed[cut, bits] = (bottleneck.eval(), split[1])
            tails[cut, bits] = tail
            advance(f"{cut}, {bits} bits")
    base.eval()
    distilled, alone = {}, {}
    for fraction in WIDTH_FRACTIONS:
        student = FrameCnn(pruned(base, fraction).widths)
        single = copy.deepcopy(student)
        order = torch.get_rng_state()
        taught = ((frames, (_scores(base, frames), labels)) for frames, _ in views(extent.epochs))
        fit(student, list(student.parameters()), taught, extent.epochs, PEAK_LEARNING_RATE, DISTILLATION.loss)
        advance(f"width {fraction:g}, from the unsplit model")
        torch.set_rng_state(order)
        fit(single, list(single.parameters()), views(extent.epochs), extent.epochs, PEAK_LEARNING_RATE)
        advance(f"width {fraction:g}, alone")
        distilled[fraction], alone[fraction] = student, single
    scales = activation_scales(base, torch.from_numpy(scattered(data.train[:256], seed=1000 * seed)))
    return Models(base, narrow, compressed, tails, distilled, alone, scales, digest, True)


def _split(model: FrameCnn, cut: str) -> tuple[nn.Module, nn.Module]:
    """Terminal's and server's part of a network after ``cut``, sharing its parameters."""
    partitioner = Partitioner(model, torch.zeros(1, 1, 48, 48, dtype=torch.uint8))
    split = partitioner.split(partitioner.cut_after(cut).position)
    return split.terminal, split.server


@torch.no_grad()
def _features(terminal: nn.Module, frames: Frames) -> Tensor:
    return torch.cat([terminal(torch.from_numpy(part))[0] for part in np.array_split(frames, 8)])


@torch.no_grad()
def _scores(model: FrameCnn, frames: Frames) -> Tensor:
    return torch.cat([model(torch.from_numpy(part)) for part in np.array_split(frames, 8)])


def _later_parameters(model: FrameCnn, cut: str) -> list[Tensor]:
    index = int(cut.removeprefix("features_"))
    later = [p for layer in list(model.features)[index + 1 :] for p in layer.parameters()]
    return [*later, *model.head.parameters()]


_NARROW = ("pruned", "distilled", "alone")
"""Fields of ``Models`` with a narrow network by width."""


def save_models(models: Models, path: Path) -> None:
    """All parameters in one safetensors file."""
    tensors = {f"base.{k}": v for k, v in models.base.state_dict().items()}
    for kind in _NARROW:
        for fraction, model in getattr(models, kind).items():
            tensors |= {f"{kind}.{fraction}.{k}": v for k, v in model.state_dict().items()}
    for (cut, bits), (bottleneck, _) in models.compressed.items():
        tensors |= {f"code.{cut}.{bits}.{k}": v for k, v in bottleneck.state_dict().items()}
        tensors |= {f"tail.{cut}.{bits}.{k}": v for k, v in models.tails[cut, bits].state_dict().items()}
    tensors["activation_scales"] = torch.tensor(models.activation_scales, dtype=torch.float64)
    save_file({k: v.contiguous().clone() for k, v in tensors.items()}, path)


def load_models(path: Path, digest: str) -> Models:
    """Models from ``save_models``. Raises KeyError or RuntimeError when the file is no such."""
    tensors = load_file(path)

    def part(prefix: str) -> dict[str, Tensor]:
        return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

    base = FrameCnn()
    base.load_state_dict(part("base."))
    narrow: dict[str, dict[float, FrameCnn]] = {kind: {} for kind in _NARROW}
    for kind, models in narrow.items():
        for fraction in WIDTH_FRACTIONS:
            model = pruned(base, fraction)
            model.load_state_dict(part(f"{kind}.{fraction}."))
            models[fraction] = model.eval()
    compressed, tails = {}, {}
    for cut in CUTS:
        for bits in BITS:
            bottleneck = Bottleneck(base.widths[CUTS.index(cut)], CODE_CHANNELS[cut], bits)
            bottleneck.load_state_dict(part(f"code.{cut}.{bits}."))
            tail = FrameCnn()
            tail.load_state_dict(part(f"tail.{cut}.{bits}."))
            compressed[cut, bits] = (bottleneck.eval(), _split(tail.eval(), cut)[1])
            tails[cut, bits] = tail
    return Models(
        base=base.eval(),
        compressed=compressed,
        tails=tails,
        activation_scales=tensors["activation_scales"].tolist(),
        digest=digest,
        trained_now=False,
        **narrow,
    )
