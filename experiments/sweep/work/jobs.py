"""What is asked of a process that computes cells, and what it answers; plain values, as they travel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

RETRIES = 2
"""Times that a job is given out again after the process that had it died."""


@dataclass(frozen=True)
class Job:
    """One cell under one policy and seed, as a whole scenario."""

    number: int
    text: str
    """Its TOML, with every default stated and every path absolute."""
    only_check: bool = False
    """Resolve it and run nothing."""
    own_code: str | None = None
    """Folder in which code of one's own is looked for."""


@dataclass(frozen=True)
class Answer:
    """``result`` of a run, or why there is none."""

    number: int
    result: dict[str, Any] | None = None
    refused: str = ""
    """The scenario cannot be run."""
    failed: str = ""
    """The run failed by itself, or its process died too often."""
    stopped: str = ""
    """Nothing can go on there: its disk is full."""


class Workers(Protocol):
    """Processes that compute. A context: they end with it."""

    def __enter__(self) -> Workers: ...

    def __exit__(self, *_: object) -> None: ...

    def answers(self, jobs: Sequence[Job]) -> Iterator[Answer]:
        """The answer to every job, in the order in which they come."""
        ...
