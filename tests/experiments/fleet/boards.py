"""A daemon in this process and the port that it dials, for tests of either side."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from edge_node.board_file import BoardFile
from edge_node.daemon import Daemon
from protos.access.config import Access

PATIENCE_S = 120.0


class Running:
    """A board's daemon on a loop of its own. ``told``: what it announced."""

    def __init__(self, address: str, access: Access, folder: Path, node_id: str = "n0") -> None:
        assert access.certificates is not None
        self.board = BoardFile(
            node_id=node_id, coordinator=address, certificates=access.certificates, folder=folder
        )
        self.told: list[dict[str, Any]] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.daemon: Daemon
        self.ended: Future[None] = asyncio.run_coroutine_threadsafe(self._serve(), self._loop)

    async def _serve(self) -> None:
        self.daemon = Daemon(self.board, self.told.append)
        await self.daemon.serve()

    def stop(self) -> None:
        """End it in order."""
        self._loop.call_soon_threadsafe(self.daemon.stop.set)
        self.ended.result(PATIENCE_S)

    def break_stream(self) -> None:
        """As a cut does, and the healing at once."""

        def cancel() -> None:
            stream = self.daemon._stream
            if stream is not None:
                stream._call.cancel()

        self._loop.call_soon_threadsafe(cancel)


def until(condition: Callable[[], Any]) -> Any:
    """What ``condition`` gives as soon as it holds."""
    end = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found
