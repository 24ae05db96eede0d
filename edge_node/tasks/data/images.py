"""Image data sets by name, loaded once a process: ``digits``, ``mnist``, ``auto``, plain or transformed.

A second task for the recycling stage is a real transformation of the same images: ``digits-inverted`` (dark
on light), ``digits-parity`` (label: odd or even), ``digits-shifted`` (labels moved by one).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

from numpy.typing import NDArray

from edge_node.tasks.data import digits, mnist
from edge_node.tasks.data.dataset import Dataset

BASES: dict[str, Callable[[], Dataset]] = {"digits": digits.load, "mnist": mnist.load}

Split = dict[str, NDArray[Any]]


def _inverted(split: Split, classes: int) -> Split:
    return {**split, "images": 255 - split["images"]}


def _parity(split: Split, classes: int) -> Split:
    return {**split, "labels": split["labels"] % 2}


def _shifted(split: Split, classes: int) -> Split:
    return {**split, "labels": (split["labels"] + 1) % classes}


TRANSFORMS: dict[str, tuple[str, Callable[[Split, int], Split]]] = {
    "inverted": ("every image inverted: pixel 255 - p", _inverted),
    "parity": ("labels replaced by their parity: 0 even, 1 odd", _parity),
    "shifted": ("labels moved by one: a 0 is called 1, a 9 is called 0", _shifted),
}

NAMES: tuple[str, ...] = tuple(
    f"{base}{suffix}" for base in (*BASES, "auto") for suffix in ("", *(f"-{name}" for name in TRANSFORMS))
)

_loading = threading.Lock()


def resolve(name: str) -> str:
    """Name of the data really used: ``auto`` is ``mnist`` where its files are at hand, else ``digits``."""
    base, dash, transform = name.partition("-")
    if base == "auto":
        base = "mnist" if mnist.is_present() else "digits"
    if base not in BASES or (dash and transform not in TRANSFORMS):
        raise ValueError(f"unknown image data {name!r}; allowed: {', '.join(NAMES)}")
    return f"{base}{dash}{transform}"


def load(name: str) -> Dataset:
    """The data set; the same read-only arrays for every node of this process.

    ``images`` (N, 1, 28, 28) uint8, ``labels`` (N,) int64. Raises ValueError for an unknown name,
    carbon_data.types.DataError when the files of ``mnist`` are not in the data folder.
    """
    with _loading:
        return _load(resolve(name))


@cache
def _load(name: str) -> Dataset:
    base, dash, transform = name.partition("-")
    if not dash:
        return frozen(BASES[base]())
    source = _load(base)
    described, apply = TRANSFORMS[transform]
    train = apply(dict(source.train), source.num_classes)
    test = apply(dict(source.test), source.num_classes)
    return frozen(
        replace(
            source,
            name=name,
            origin=f"{source.origin}; {described}",
            train=train,
            test=test,
            groups=train["labels"],
            # The head keeps its width: recycling fine-tunes the same network.
            num_classes=source.num_classes,
        )
    )


def frozen(data: Dataset) -> Dataset:
    """The same data set with every array read-only: nodes of one process share it."""
    for array in (*data.train.values(), *data.test.values(), data.groups):
        array.flags.writeable = False
    return data
