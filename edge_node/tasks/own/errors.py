"""What goes wrong in a user's model, data set, loss or optimiser, in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from carbon_data.own_code import place_of

LONGEST = 300
"""Characters of a foreign message that are shown."""


class TaskError(ValueError):
    """A TorchTask that cannot be run as it is."""


@contextmanager
def user_code(part: str) -> Iterator[None]:
    """Code of a user within: whatever it raises becomes a TaskError that names ``part`` and the place."""
    try:
        yield
    except TaskError:
        raise
    except Exception as error:  # user code may raise anything
        lines = str(error).strip().splitlines() or ["no message"]
        first = lines[0] if len(lines[0]) <= LONGEST else f"{lines[0][:LONGEST]}..."
        raise TaskError(f"{part}: {type(error).__name__}: {first} (at {place_of(error)})") from error
