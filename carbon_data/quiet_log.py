"""Log files that print nothing on the terminal when the disk is full: the run itself reports a full disk."""

from __future__ import annotations

import contextlib
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    TextHandler = logging.StreamHandler[TextIO]
else:
    TextHandler = logging.StreamHandler


def _show(handler: logging.Handler, record: logging.LogRecord) -> None:
    """Handler that drops lines that cannot be written; an error of the caller (a bad format) is shown as usual."""
    if not isinstance(sys.exc_info()[1], OSError):
        logging.Handler.handleError(handler, record)


class QuietStreamHandler(TextHandler):
    """Writes to an open stream."""

    def handleError(self, record: logging.LogRecord) -> None:
        _show(self, record)


class QuietFileHandler(logging.FileHandler):
    """Appends to a file made at the first line."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, encoding="utf-8", delay=True)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            super().emit(record)
        except OSError:  # making the file, which logging itself lets through
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:
        _show(self, record)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            super().close()
