"""What is asked of a process that computes cells, and what it answers; plain values, as they travel."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
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
    own: str = ""
    """Hash of the files and modules of one's own that it names, as the sweep found them (keys.Keys)."""

    def as_line(self) -> str:
        """In JSON, without a line break."""
        return json.dumps(asdict(self), allow_nan=False)

    @classmethod
    def of_line(cls, line: str) -> Job:
        return cls(**json.loads(line))


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

    def as_line(self) -> str:
        """In JSON, without a line break."""
        return json.dumps(asdict(self), allow_nan=False)

    @classmethod
    def of_line(cls, line: str) -> Answer:
        """Raises ValueError where ``line`` is no answer."""
        told = json.loads(line)
        if not isinstance(told, dict) or set(told) - {field.name for field in fields(cls)}:
            raise ValueError("no answer of a process that computes cells")
        found = cls(**told)
        if not isinstance(found.number, int) or not all(
            isinstance(text, str) for text in (found.refused, found.failed, found.stopped)
        ):
            raise ValueError("an answer without number or reason")
        if found.result is not None:
            require_figures(found.result)
        return found


def require_figures(result: Any) -> None:
    """Raises ValueError where ``result`` is no table of finite numbers, truths, texts and nulls."""
    if not isinstance(result, dict):
        raise ValueError("figures without names")
    for name, value in result.items():
        if isinstance(value, bool | int | str) or value is None:
            continue
        if not isinstance(value, float) or not math.isfinite(value):
            raise ValueError(f"{name} is {value!r}; a figure is a finite number or null")


class Workers(Protocol):
    """Processes that compute. A context: they end with it."""

    @property
    def again(self) -> str:
        """Options that a command which goes on with the sweep repeats to have these again; empty for none."""
        ...

    def __enter__(self) -> Workers: ...

    def __exit__(self, *_: object) -> None: ...

    def answers(self, jobs: Sequence[Job]) -> Iterator[Answer]:
        """The answer to every job, in the order in which they come."""
        ...
