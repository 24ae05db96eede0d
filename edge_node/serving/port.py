"""Port to the part that answers outside clients; only code behind it uses torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from edge_node.workload import Arrays, InferResult, Parameters


@dataclass(frozen=True, slots=True)
class Answered:
    """Answers, axis 0 the examples, and their result."""

    arrays: Arrays
    result: InferResult


class Answers(Protocol):
    """How a task answers."""

    def check(self, arrays: Arrays) -> None:
        """Raises ValueError for arrays that the task does not read."""
        ...

    def answer(self, parameters: Parameters, arrays: Arrays) -> Answered:
        """Answer with the model of these parameters."""
        ...
