"""Privacy loss of repeated Gaussian releases, by Renyi differential privacy.

A release with noise of standard deviation z times the L2 sensitivity has Renyi divergence alpha / (2 z^2) of order
alpha
(Mironov 2017, arXiv:1702.07476, proposition 7); T releases have T times that (proposition 1). From the divergence to
epsilon: Canonne, Kamath and Steinke 2020, arXiv:2004.00010, proposition 12. Nothing is gained here from who takes part
at random: a policy decides that, and it may be known.
"""

from __future__ import annotations

import math

import numpy as np

ORDERS = 1.0 + np.logspace(-3, 5, 4000)
"""Orders alpha that are tried: with 4000 of them epsilon is within 0.1 % of the best order's."""


def gaussian_epsilon(noise_multiplier: float, releases: int, delta: float) -> float:
    """Epsilon, at ``delta``, of ``releases`` Gaussian releases.

    Args:
        noise_multiplier: Standard deviation of the noise as a multiple of the L2 sensitivity, z > 0.
        releases: T >= 0.
        delta: 0 < delta < 1.

    Raises ValueError for numbers outside of these.
    """
    if not noise_multiplier > 0 or not math.isfinite(noise_multiplier):
        raise ValueError(f"noise_multiplier is {noise_multiplier}; allowed is a number above 0")
    if releases < 0 or not 0 < delta < 1:
        raise ValueError(f"{releases} releases at delta = {delta}; allowed are 0 or more, and 0 < delta < 1")
    if releases == 0:
        return 0.0
    alpha = ORDERS
    divergence = releases * alpha / (2.0 * noise_multiplier**2)
    epsilon = divergence + np.log1p(-1.0 / alpha) - (math.log(delta) + np.log(alpha)) / (alpha - 1.0)
    return max(0.0, float(epsilon.min()))
