"""The formulas of indicators that are not a plain quotient. Pure: numpy and pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def jain(values: ArrayLike) -> float | None:
    """Jain's index (sum x)^2 / (n sum x^2), 1/n..1; None when all are zero. Source: Jain et al. 1984, DEC-TR-301."""
    x = np.asarray(values, dtype=np.float64)
    squares = float(x.size * np.sum(x**2))
    return float(np.sum(x)) ** 2 / squares if squares > 0 else None


def entropy_bits(counts: ArrayLike) -> float:
    """Shannon entropy in bit of a distribution given by counts; zeros count as 0 log 0 = 0."""
    n = np.asarray(counts, dtype=np.float64)
    p = n[n > 0] / n.sum()
    return float(-np.sum(p * np.log2(p))) + 0.0


def balance(counts: ArrayLike) -> float | None:
    """Entropy over its greatest possible value log2(K), 0..1; None with fewer than two classes."""
    n = np.asarray(counts)
    return entropy_bits(n) / float(np.log2(n.size)) if n.size > 1 else None


def jensen_shannon_bits(first: ArrayLike, second: ArrayLike) -> float:
    """Jensen-Shannon divergence of two distributions given by counts, 0..1 bit."""
    p, q = (np.asarray(x, dtype=np.float64) / np.sum(x) for x in (first, second))
    return max(0.0, entropy_bits((p + q) / 2.0) - (entropy_bits(p) + entropy_bits(q)) / 2.0)


def effective_dimension(features: Floats) -> float:
    """exp of the entropy of the principal components' shares of variance; features (n, d).

    Source: effective rank of the covariance, Roy and Vetterli, EUSIPCO 2007.
    """
    centred = features - features.mean(axis=0)
    variances = np.linalg.svd(centred, compute_uv=False) ** 2
    if variances.sum() == 0:
        return 0.0
    return float(np.exp(entropy_bits(variances) * np.log(2.0)))


def rank_correlation(first: ArrayLike, second: ArrayLike) -> float | None:
    """Spearman's rank correlation; None with fewer than three pairs or a constant side."""
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.size < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    ranks = pd.DataFrame({"first": a, "second": b}).rank().to_numpy()  # ties: their mean rank
    return float(np.corrcoef(ranks, rowvar=False)[1, 0])


def reweighted_accuracy(recall: Floats, group_counts: ArrayLike) -> float | None:
    """Accuracy on held-out data with a node's own mix of classes: sum of p(k) recall(k).

    ``recall`` (K,) is NaN for a class without held-out examples; None when the node holds such a class.
    """
    counts = np.asarray(group_counts, dtype=np.float64)
    held = counts > 0
    if not held.any() or np.isnan(recall[held]).any():
        return None
    return float(np.sum(counts[held] / counts.sum() * recall[held]))
