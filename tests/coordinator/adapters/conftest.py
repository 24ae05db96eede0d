"""The coordinator as a process, and its nodes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.coordinator.adapters.process import NodeThreads, Process

LEASE_S = 120.0
"""So long that nodes keep their lease on any machine; a test that waits for the end of one says how long it is."""


@pytest.fixture
def process(tmp_path: Path, kit: Any, request: pytest.FixtureRequest) -> Iterator[Process]:
    """``param``: changes of its configuration."""
    told = {"nodes": 3, "slots": 12, "policy": "deta", "lease_s": LEASE_S, **getattr(request, "param", {})}
    made = Process(kit.make_config(tmp_path, **told), tmp_path)
    made.start()
    yield made
    if made.popen is not None and made.popen.poll() is None:
        made.kill()


@pytest.fixture
def nodes(process: Process, kit: Any) -> Iterator[NodeThreads]:
    made = NodeThreads([kit.StubNode(node) for node in process.config.node_ids], process.address)
    yield made
    made.stop()
