"""Text for character models, as excerpts of 80 bytes: Shakespeare where at hand, else what ships with Python.

``shakespeare`` is cut in the order of the text; ``shakespeare-roles`` joins each role's speeches first, so
that ``by-group`` gives whole roles to nodes. ``pydoc`` is Python's own language documentation, which the
interpreter carries with it. The second task for recycling is the same text in ROT13 (``...-rot13``): same
structure, other letters.
"""

from __future__ import annotations

import codecs
import threading
from collections.abc import Callable
from functools import cache
from pydoc_data.topics import topics

import numpy as np
from numpy.typing import NDArray

from carbon_data.files.datasets import dataset, require
from carbon_data.files.folders import data_dir
from edge_node.tasks.data.dataset import Dataset
from edge_node.tasks.data.images import frozen

LENGTH = 80
"""Bytes of an excerpt; the sequence length of LEAF's Shakespeare (Caldas et al. 2018, arXiv:1812.01097)."""
PROMPT = 64
"""Input tokens of a request unless a service has its own length: a start symbol and 63 bytes."""
ANSWER = 16
"""Tokens generated for a request, likewise."""
TEST_FRACTION = 0.1
"""The last excerpts of every group are held out."""
FILE = "tinyshakespeare"

Passage = tuple[str, str]
"""Whose it is (role or topic), and the text."""


def _speeches() -> list[Passage]:
    text = require(FILE).read_text(encoding="utf-8")
    parts = [part.lstrip("\n") for part in text.split("\n\n")]
    return [(part.partition(":\n")[0], part + "\n\n") for part in parts if ":\n" in part]


def _roles() -> list[Passage]:
    joined: dict[str, list[str]] = {}
    for role, speech in _speeches():
        joined.setdefault(role, []).append(speech)
    return [(role, "".join(speeches)) for role, speeches in joined.items()]


def _topics() -> list[Passage]:
    return [(name, topics[name]) for name in sorted(topics)]


SHAKESPEARE = "Shakespeare, 1.1 MB of plays (tinyshakespeare; the text is in the public domain)"
BASES: dict[str, tuple[str, Callable[[], list[Passage]]]] = {
    "shakespeare": (f"{SHAKESPEARE}, in the order of the text", _speeches),
    "shakespeare-roles": (f"{SHAKESPEARE}, speeches joined by role", _roles),
    "pydoc": ("Python's language documentation, as the interpreter ships it (PSF licence)", _topics),
}
ROT13 = "-rot13"
NAMES: tuple[str, ...] = tuple(f"{base}{suffix}" for base in (*BASES, "auto") for suffix in ("", ROT13))

_loading = threading.Lock()


def resolve(name: str) -> str:
    """Name of the data really used: ``auto`` is ``shakespeare`` where its file is at hand, else ``pydoc``."""
    base, suffix = (name.removesuffix(ROT13), ROT13) if name.endswith(ROT13) else (name, "")
    if base == "auto":
        base = "shakespeare" if (data_dir() / dataset(FILE).path).is_file() else "pydoc"
    if base not in BASES:
        raise ValueError(f"unknown text data {name!r}; allowed: {', '.join(NAMES)}")
    return base + suffix


def load(name: str) -> Dataset:
    """The data set: ``tokens`` (N, 80) uint8, one excerpt a row; groups are roles or topics.

    Raises ValueError for an unknown name, carbon_data.types.DataError when Shakespeare is not in the data
    folder.
    """
    with _loading:
        return _load(resolve(name))


@cache
def _load(name: str) -> Dataset:
    base = name.removesuffix(ROT13)
    origin, passages = BASES[base]
    found = passages()
    if name != base:
        origin += "; letters moved by 13 places (ROT13)"
        found = [(whose, codecs.encode(text, "rot13")) for whose, text in found]
    tokens, groups = excerpts(found, joined=base != "shakespeare-roles")
    test = held_out(groups)
    return frozen(
        Dataset(
            name=name,
            origin=f"{origin}; excerpts of {LENGTH} bytes",
            train={"tokens": tokens[~test]},
            test={"tokens": tokens[test]},
            groups=groups[~test],
            num_classes=256,
        )
    )


def excerpts(passages: list[Passage], *, joined: bool) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Passages cut into excerpts (N, 80), with the number of the group each begins in.

    ``joined``: one text from beginning to end; else no excerpt holds text of two passages. What is left over
    at an end is dropped.
    """
    names = {name: number for number, name in enumerate(dict.fromkeys(name for name, _ in passages))}
    texts = [np.frombuffer(text.encode("utf-8"), dtype=np.uint8) for _, text in passages]
    whose = [np.full(len(text), names[name]) for (name, _), text in zip(passages, texts, strict=True)]
    if joined:
        texts, whose = [np.concatenate(texts)], [np.concatenate(whose)]
    rows = [text[: len(text) // LENGTH * LENGTH].reshape(-1, LENGTH) for text in texts]
    starts = [owner[: len(owner) // LENGTH * LENGTH : LENGTH] for owner in whose]
    return np.concatenate(rows), np.concatenate(starts).astype(np.int64)


def held_out(groups: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which excerpts are for testing: the last tenth of each group's, in their order."""
    chosen = np.zeros(len(groups), dtype=bool)
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        count = round(TEST_FRACTION * len(members))
        if count:
            chosen[members[-count:]] = True
    return chosen
