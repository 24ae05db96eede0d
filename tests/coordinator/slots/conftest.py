"""The service with its ledger and nodes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.coordinator.slots.trader import Trader


@pytest.fixture
def bench(tmp_path: Path, kit: Any) -> Iterator[Any]:
    made = kit.Bench(kit.make_config(tmp_path), Trader())
    yield made
    made.close()
