"""Lists in sentences."""

from __future__ import annotations

from collections.abc import Sequence


def few(names: Sequence[str], at_most: int = 8, between: str = ", ") -> str:
    """The first names, and how many more there are: ``a, b and 3 more``; all where they are few: ``a, b and c``."""
    left = len(names) - at_most
    parts = [*names[:at_most], f"{left} more"] if left > 0 else list(names)
    if len(parts) < 2:
        return "".join(parts)
    comma = "" if between == ", " else between.rstrip()
    return f"{between.join(parts[:-1])}{comma} and {parts[-1]}"
