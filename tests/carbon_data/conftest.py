"""A server on the loopback, and waits that are only noted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from carbon_data.files.http import (
    HttpClient,
)
from tests.carbon_data.answers import Service


@pytest.fixture
def service() -> Iterator[Service]:
    running = Service()
    yield running
    running.close()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What urllib3 would have slept."""
    slept: list[float] = []
    monkeypatch.setattr("urllib3.util.retry.time.sleep", slept.append)
    return slept


@pytest.fixture
def client(waits: list[float]) -> HttpClient:
    return HttpClient(timeout_s=120.0)
