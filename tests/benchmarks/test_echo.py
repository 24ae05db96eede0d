"""The echo sends every message back, and the load counts each once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from benchmarks._echo import PATH, WINDOW, Load, one_each
from benchmarks.telemetry import Server


@pytest.mark.processes
def test_every_message_comes_back(tmp_path: Path) -> None:
    async def run() -> tuple[list[bytes], float, list[bytes]]:
        load = Load(f"127.0.0.1:{server.ready}", PATH, 2)
        first = await load.open([b"a", b"b"])
        seen: list[bytes] = []

        def noted(answer: bytes, before: int) -> int:
            seen.append(answer)
            return one_each(answer, before)

        rate = await load.rate([[bytes([k % 256]) for k in range(2 * WINDOW)], [b"x"]], [noted, one_each])
        await load.close()
        return first, rate, seen

    server = Server("benchmarks._echo", log=tmp_path / "log")
    try:
        first, rate, seen = asyncio.run(run())
    finally:
        server.stop()
    assert first == [b"a", b"b"]
    assert rate > 0
    assert seen == [bytes([k % 256]) for k in range(2 * WINDOW)]
