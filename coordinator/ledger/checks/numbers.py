"""Figures of a document that are no numbers: NaN and infinities, which no entry is written with."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

_MAY_BE = re.compile(r"NaN|Infinity|[0-9][eE]\+?[0-9]{3}|[0-9]{309}")
"""Texts of JSON that Python reads as NaN or infinity: few documents have one, and are read through."""


def non_finite(body: str, document: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """(field, value) of every figure of ``document`` that is NaN or infinite, or too large for a float; ``body`` is its
    text. Fields as ``lines[2].energy_uj``."""
    return _below("", document) if _MAY_BE.search(body) else iter(())


def _below(place: str, value: Any) -> Iterator[tuple[str, float]]:
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _below(f"{place}.{key}" if place else str(key), one)
    elif isinstance(value, list):
        for k, one in enumerate(value):
            yield from _below(f"{place}[{k}]", one)
    elif isinstance(value, float) and not math.isfinite(value):
        yield place, value
    elif isinstance(value, int) and abs(value) > _LARGEST:
        yield place, math.inf if value > 0 else -math.inf


_LARGEST = int(1.7976931348623157e308)
"""Of a float (IEEE 754)."""
