"""The recurrent layer of the video-like model: trained on moving digits behind the unsplit model, kept in the cache.

A file of its own beside the other models: those stay as they are, and are not trained again for it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from carbon_data.files.folders import cache_dir
from carbon_data.files.whole import whole_file
from edge_node.splitting.network import FrameCnn
from edge_node.splitting.recurrent import FrameFeatures, RecurrentHead
from experiments.studies.import_closure import closure_digest
from experiments.studies.terminal.fitting import fit
from experiments.studies.terminal.frames import moving_digits
from experiments.studies.terminal.settings import SCENES_GREY, Extent
from experiments.studies.terminal.training import PEAK_LEARNING_RATE, Data, Models

FILE = "recurrent.safetensors"
"""Beside the other models' file, in a run's folder."""
WINDOW_FRAMES = 48
"""Length of the sequences the recurrent layer learns from; the state begins at zero in each."""
EXAMPLES_PER_WINDOW = 15
"""One training sequence for so many training images."""
SCENE_FRAMES = (8, 12, 20)
"""Frames until the next digit in training, in turn; the sequences that are answered have 12."""
EPOCHS_FACTOR = 6
"""Epochs of the recurrent layer, as a multiple of the unsplit model's; its features are computed once."""


def digest_of(models: Models) -> str:
    """Hash of code and libraries, and of the models behind which the layer learns: with them data, settings, seed."""
    return hashlib.sha256(f"{closure_digest(__name__)} {models.digest}".encode()).hexdigest()


def train_head(data: Data, extent: Extent, models: Models, seed: int) -> RecurrentHead:
    """The recurrent layer; from the cache folder when the same was trained before.

    Args:
        data: Digits of the training sequences.
        extent: Epochs and number of sequences.
        models: The unsplit model, which stays as it is.
        seed: Of weights, sequences and order.
    """
    path = cache_dir() / "terminal-video" / f"{digest_of(models)}.safetensors"
    if path.is_file():
        return load_head(path)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = _train(models.base, data, extent, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as draft:
        save_head(head, draft)
    return head


def _train(base: FrameCnn, data: Data, extent: Extent, seed: int) -> RecurrentHead:
    terminal, rows, classes = FrameFeatures(base), [], []
    for window in range(max(2, extent.train_examples // EXAMPLES_PER_WINDOW)):
        # Seeds of their own: no background of a sequence that is answered later.
        video = moving_digits(
            data.train,
            data.train_labels,
            WINDOW_FRAMES,
            1_000_000 * (seed + 1) + window,
            *SCENES_GREY[-1],
            scene_frames=SCENE_FRAMES[window % len(SCENE_FRAMES)],
        )
        with torch.no_grad():
            rows.append(terminal(torch.from_numpy(video.frames)[:, None]))
        classes.append(torch.from_numpy(video.labels))
    hidden, labels = torch.stack(rows), torch.stack(classes)
    head = RecurrentHead()
    epochs = EPOCHS_FACTOR * extent.epochs
    same = ((hidden, (labels,)) for _ in range(epochs))
    fit(head, list(head.parameters()), same, epochs, PEAK_LEARNING_RATE, _of_every_frame)
    return head


def _of_every_frame(scores: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(scores.flatten(0, 1), labels.flatten())


def save_head(head: RecurrentHead, path: Path) -> None:
    """All parameters in one safetensors file."""
    save_file({k: v.contiguous().clone() for k, v in head.state_dict().items()}, path)


def load_head(path: Path) -> RecurrentHead:
    """From ``save_head``. Raises RuntimeError when the file is no such."""
    head = RecurrentHead()
    head.load_state_dict(load_file(path))
    return head.eval()
