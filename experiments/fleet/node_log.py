"""Log of a node process, stored in the run's folder: Ray's own log files are removed with its temporary folder."""

from __future__ import annotations

import contextlib
import faulthandler
import logging
from collections.abc import Iterator
from pathlib import Path

from carbon_data.quiet_log import QuietStreamHandler

FORMAT = "%(asctime)s %(name)s %(levelname)s %(message)s"
CHATTY = ("edge_node", "experiments.fleet")
"""Loggers that are followed from INFO on; others from WARNING."""


@contextlib.contextmanager
def logged_to(path: Path) -> Iterator[None]:
    """Write warnings of this process, logs of its nodes, and its stack after a crash to ``path``.

    A file in which nothing was written is removed at the end.
    """
    own = [logging.getLogger(name) for name in CHATTY]
    before = [one.level for one in own]
    stream = path.open("a", encoding="utf-8")
    handler = QuietStreamHandler(stream)
    handler.setFormatter(logging.Formatter(FORMAT))
    logging.getLogger().addHandler(handler)
    for one in own:
        one.setLevel(logging.INFO)
    was_enabled = faulthandler.is_enabled()
    faulthandler.enable(stream)
    try:
        yield
    finally:
        faulthandler.enable() if was_enabled else faulthandler.disable()
        for one, level in zip(own, before, strict=True):
            one.setLevel(level)
        logging.getLogger().removeHandler(handler)
        with contextlib.suppress(OSError):  # a full disk: the run says so
            stream.close()
    if path.stat().st_size == 0:
        path.unlink()
