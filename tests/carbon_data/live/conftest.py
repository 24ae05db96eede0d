"""A server that replays documented answers at one fixed time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.carbon_data.live.replayed import Replayed

NOW = datetime(2024, 5, 1, 12, 20, tzinfo=UTC)


@pytest.fixture
def replayed() -> Iterator[Replayed]:
    running = Replayed(lambda: NOW)
    yield running
    running.close()
