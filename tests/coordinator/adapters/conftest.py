"""The coordinator as a process, and its nodes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.coordinator.adapters.process import NodeThreads, Process

LEASE_S = 8.0
"""Many times the stubs' heartbeat, so that nodes keep their lease on a busy machine."""


@pytest.fixture
def process(tmp_path: Path, kit: Any, request: pytest.FixtureRequest) -> Iterator[Process]:
    slots = getattr(request, "param", 12)
    made = Process(kit.make_config(tmp_path, nodes=3, slots=slots, policy="deta", lease_s=LEASE_S), tmp_path)
    made.start()
    yield made
    if made.popen is not None and made.popen.poll() is None:
        made.kill()


@pytest.fixture
def nodes(process: Process, kit: Any) -> Iterator[NodeThreads]:
    made = NodeThreads([kit.StubNode(node) for node in process.config.node_ids], process.address)
    yield made
    made.stop()
