"""One entry under examination."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from coordinator.ledger.entry import Kind, Posting

Add = Callable[[str, str, str], None]
"""Called with (code, where, text) for everything that is wrong."""


@dataclass(frozen=True, slots=True)
class Item:
    """``where`` names the entry for people, ``before`` is what the books held in the node's battery before it."""

    kind: Kind
    key: str
    slot: Any
    node: str
    body: Mapping[str, Any]
    postings: tuple[Posting, ...]
    where: str
    before: int
    block: bytes = b""
    """Its columns, where it has any."""
