"""Text for ``lora``: the passages of the character tasks (edge_node.tasks.data.text) in the language model's tokens."""

from __future__ import annotations

import threading
from functools import cache

import numpy as np
from numpy.typing import NDArray

from carbon_data.files.datasets import dataset
from carbon_data.files.folders import data_dir
from edge_node.tasks.data.dataset import Dataset
from edge_node.tasks.data.images import frozen
from edge_node.tasks.data.text import BASES, FILE, Passage, held_out
from edge_node.tasks.lora.base_model import MODEL, tokenizer

PREDICTIONS = 128
"""Predicted tokens of an excerpt; four excerpts are a step of 512."""
LENGTH = PREDICTIONS + 1
"""Tokens of an excerpt: the first one is only read."""
MOST_HELD_OUT = 16
"""Excerpts for testing: a pass over one takes a quarter of a second of a processor, in each round."""
NAMES = (*BASES, "auto")

_loading = threading.Lock()


def resolve(name: str) -> str:
    """Name of the data really used: ``auto`` is ``shakespeare`` where its file is at hand, else ``pydoc``."""
    if name == "auto":
        return "shakespeare" if (data_dir() / dataset(FILE).path).is_file() else "pydoc"
    if name not in BASES:
        raise ValueError(f"unknown text data {name!r}; allowed: {', '.join(NAMES)}")
    return name


def load(name: str) -> Dataset:
    """``tokens`` (N, 129) uint16, one excerpt a row; groups are roles or topics.

    Raises ValueError for an unknown name, DataError where the text, the model or the packages are missing.
    """
    with _loading:
        return _load(resolve(name))


@cache
def _load(name: str) -> Dataset:
    origin, passages = BASES[name]
    tokens, groups = excerpts(passages(), joined=name != "shakespeare-roles")
    test = held_out(groups)
    kept = tokens[test]
    kept = kept[np.linspace(0, len(kept) - 1, min(MOST_HELD_OUT, len(kept))).round().astype(np.int64)]
    return frozen(
        Dataset(
            name=name,
            origin=f"{origin}; excerpts of {LENGTH} tokens of {MODEL}, {len(kept)} held out",
            train={"tokens": tokens[~test]},
            test={"tokens": kept},
            groups=groups[~test],
            num_classes=int(groups.max()) + 1,
        )
    )


def excerpts(passages: list[Passage], *, joined: bool) -> tuple[NDArray[np.uint16], NDArray[np.int64]]:
    """Passages cut into excerpts (N, 129), with the number of the group each begins in.

    ``joined``: one text from beginning to end; else no excerpt has tokens of two passages. What is left over at an end
    is dropped.
    """
    names = {name: number for number, name in enumerate(dict.fromkeys(name for name, _ in passages))}
    found = tokenizer()([text for _, text in passages], add_special_tokens=False)["input_ids"]
    texts = [np.array(tokens, dtype=np.uint16) for tokens in found]
    whose = [np.full(len(tokens), names[name]) for (name, _), tokens in zip(passages, texts, strict=True)]
    if joined:
        texts, whose = [np.concatenate(texts)], [np.concatenate(whose)]
    rows = [tokens[: len(tokens) // LENGTH * LENGTH].reshape(-1, LENGTH) for tokens in texts]
    starts = [owner[: len(owner) // LENGTH * LENGTH : LENGTH] for owner in whose]
    return np.concatenate(rows), np.concatenate(starts).astype(np.int64)
