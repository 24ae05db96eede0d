"""What Ray would print, in the log: standard output belongs to the command."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from typing import Any

from ray._private import worker

logger = logging.getLogger(__name__)


def _log_instead_of_print(data: dict[str, Any], ignore_prefix: bool) -> None:
    """In place of ray._private.worker.print_to_stdstream."""
    for line in data["lines"]:
        logger.info("ray (%s): %s", data["pid"], line)


def logged_prints() -> contextlib.AbstractContextManager[None]:
    """Its lines (of processes, and of machines that are lost) are logged."""
    return replaced([(worker, "print_to_stdstream", _log_instead_of_print)])


@contextlib.contextmanager
def replaced(replacements: Sequence[tuple[Any, str, Any]]) -> Iterator[None]:
    """Attributes of modules exchanged for a while."""
    before = [getattr(module, name) for module, name, _ in replacements]
    for module, name, value in replacements:
        setattr(module, name, value)
    try:
        yield
    finally:
        for (module, name, _), value in zip(replacements, before, strict=True):
            setattr(module, name, value)
