"""Intervals of sums of metered windows. Pure.

A window's 95 % half width has two parts, squares added. The sensor's step (``bias``) is the same in every window of a
sensor: it adds up. The rest differs from window to window, and its squares add up. Different sensors err
independently.
"""

from __future__ import annotations

import math
from collections.abc import Iterable


def of_windows(windows: Iterable[tuple[float, float]]) -> tuple[float, float]:
    """(half width, bias) of the sum of one sensor's windows, from those of each."""
    noise_squares, bias = 0.0, 0.0
    for half_width, part in windows:
        noise_squares += half_width**2 - part**2
        bias += part
    return math.sqrt(max(0.0, noise_squares) + bias**2), bias


def of_sensors(half_widths: Iterable[float]) -> float:
    """Half width of the sum of several sensors' energies."""
    return math.hypot(*half_widths)
