"""How long the start of a Ray is waited for, with scripted raylets; test_ray_fleet.py has real ones."""

from __future__ import annotations

from typing import Any

import psutil
import pytest

from experiments.fleet import ray_local
from experiments.fleet.ray_local import _awaited_node


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Raylets that were asked for; the third time one is there."""
    found: list[str] = []

    def get_node(gcs_address: str, node_id: str) -> dict[str, Any]:
        found.append(node_id)
        if len(found) < 3:
            raise RuntimeError("no such node")
        return {"node_manager_port": 7}

    monkeypatch.setattr(ray_local, "_get_node", get_node)
    monkeypatch.setattr(ray_local, "LOOK_S", 0.0)
    return found


def test_a_raylet_that_is_slow_is_waited_for(asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_local, "living_raylet", psutil.Process)
    assert _awaited_node("127.0.0.1:1", "id") == {"node_manager_port": 7}
    assert asked == ["id"] * 3


def test_one_that_ended_or_never_comes_is_not(asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray asks again after a RuntimeError, for 30 s."""
    monkeypatch.setattr(ray_local, "living_raylet", lambda: None)
    with pytest.raises(ChildProcessError, match="ended while it started"):
        _awaited_node("127.0.0.1:1", "id")
    monkeypatch.setattr(ray_local, "living_raylet", psutil.Process)
    monkeypatch.setattr(ray_local, "UP_S", -1.0)
    with pytest.raises(TimeoutError, match="was not up in"):
        _awaited_node("127.0.0.1:1", "id")
    assert asked == ["id"] * 2
