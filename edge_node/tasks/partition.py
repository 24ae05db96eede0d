"""Splitting a training set over nodes: every example in one share, no share empty, seeded."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


def iid(groups: Indices, partitions: int, seed: int) -> list[Indices]:
    """Shares drawn at random, sizes equal to one."""
    order = np.random.default_rng(seed).permutation(len(groups))
    return [np.sort(part) for part in np.array_split(order, partitions)]


def dirichlet(groups: Indices, partitions: int, seed: int, alpha: float) -> list[Indices]:
    """Label skew: every class is divided in proportions drawn from Dirichlet(alpha, ..., alpha).

    Small alpha: a node sees few classes. Source: Hsu et al. 2019, arXiv:1909.06335. A share that came out
    empty takes one example from the largest share.
    """
    rng = np.random.default_rng(seed)
    shares: list[list[Indices]] = [[] for _ in range(partitions)]
    for group in np.unique(groups):
        members = rng.permutation(np.flatnonzero(groups == group))
        # A tiny alpha can draw nothing but zeros; the logarithmic form of the draw cannot.
        proportions = _dirichlet_proportions(rng, alpha, partitions)
        cuts = np.floor(np.cumsum(proportions)[:-1] * len(members) + 0.5).astype(np.int64)
        for share, part in zip(shares, np.split(members, cuts), strict=True):
            share.append(part)
    parts = [np.concatenate(share) for share in shares]
    for k, part in enumerate(parts):
        if len(part) == 0:
            donor = max(range(partitions), key=lambda j: len(parts[j]))
            parts[k], parts[donor] = parts[donor][-1:], parts[donor][:-1]
    return [np.sort(part) for part in parts]


def contiguous(groups: Indices, partitions: int, seed: int) -> list[Indices]:
    """Neighbouring examples together, in the order of the data set: for text, one passage a node."""
    return list(np.array_split(np.arange(len(groups)), partitions))


def by_group(groups: Indices, partitions: int, seed: int) -> list[Indices]:
    """Whole groups (a class of images, a speaker of a text) to one node each, sizes as even as groups allow.

    Longest group first to the node with the least. Raises ValueError when there are fewer groups than nodes.
    """
    values, counts = np.unique(groups, return_counts=True)
    if len(values) < partitions:
        raise ValueError(
            f"partition 'by-group' needs at least as many groups as nodes: got {len(values)} groups for "
            f"{partitions} nodes; use iid, dirichlet or contiguous"
        )
    order = np.random.default_rng(seed).permutation(len(values))
    order = order[np.argsort(-counts[order], kind="stable")]
    sizes = np.zeros(partitions, dtype=np.int64)
    owner = np.empty(len(values), dtype=np.int64)
    for k in order:
        owner[k] = int(np.argmin(sizes))
        sizes[owner[k]] += counts[k]
    owners = owner[np.searchsorted(values, groups)]
    return [np.flatnonzero(owners == node) for node in range(partitions)]


SKEWED = ("dirichlet", "by-group")
"""Those that need classes."""
PARTITIONS: dict[str, Callable[..., list[Indices]]] = {
    "iid": iid,
    "dirichlet": dirichlet,
    "contiguous": contiguous,
    "by-group": by_group,
}


def split(kind: str, groups: Indices, partitions: int, seed: int, alpha: float) -> list[Indices]:
    """Sorted example indices of every node's share.

    Raises ValueError for an unknown kind or more nodes than examples.
    """
    if kind not in PARTITIONS:
        raise ValueError(f"unknown partition {kind!r}; allowed: {', '.join(PARTITIONS)}")
    if not 1 <= partitions <= len(groups):
        raise ValueError(
            f"cannot split {len(groups)} examples over {partitions} nodes: every node needs at least one; "
            "use fewer nodes or a larger data set"
        )
    if kind == "dirichlet":
        return dirichlet(groups, partitions, seed, alpha)
    return PARTITIONS[kind](groups, partitions, seed)


def _dirichlet_proportions(rng: np.random.Generator, alpha: float, size: int) -> NDArray[np.float64]:
    # Gamma(alpha) = Gamma(alpha + 1) * U^(1/alpha): in logarithms, so that nothing underflows.
    logarithm = np.log(rng.standard_gamma(alpha + 1.0, size)) + np.log(rng.random(size)) / alpha
    weights = np.exp(logarithm - logarithm.max())
    return np.asarray(weights / weights.sum(), dtype=np.float64)
