"""What pydantic refuses, in the words of a message of ours: the place, a colon, and what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def fault(item: Mapping[str, Any], whole: str) -> str:
    """One of ``ValidationError.errors()``. ``whole``: stands for the place of what is wrong as a whole."""
    place = ".".join(map(str, item["loc"])) or whole
    return f"{place}: {lowered(str(item['msg']).removeprefix('Value error, '))}"


def lowered(sentence: str) -> str:
    """A sentence of pydantic's as it stands after a colon."""
    return f"{sentence[:1].lower()}{sentence[1:]}"
