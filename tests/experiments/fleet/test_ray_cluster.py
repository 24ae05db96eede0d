"""What a Ray cluster is refused for before Ray is asked; the rest is in tests/boards/test_ray_cluster.py."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest
import ray

from experiments.errors import UsageError
from experiments.fleet.ray_cluster import AUTO, METRICS, ClusterRay, board_resource


@pytest.fixture(autouse=True)
def _without_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAY_ADDRESS", "RAY_USE_TLS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def closed_port() -> Iterator[int]:
    """Bound, so that no other process listens there meanwhile."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        yield int(one.getsockname()[1])


def test_an_address_at_which_nothing_listens_is_named(closed_port: int) -> None:
    address = f"127.0.0.1:{closed_port}"
    with pytest.raises(UsageError, match=rf"no Ray cluster answers at {address} .*correct fleet.address"):
        ClusterRay(address, host="127.0.0.1").start()


def test_auto_takes_the_address_of_the_environment(monkeypatch: pytest.MonkeyPatch, closed_port: int) -> None:
    address = f"127.0.0.1:{closed_port}"
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(UsageError, match=f"no Ray cluster answers at {address} "):
        ClusterRay(AUTO, host="127.0.0.1").start()


def test_a_network_needs_tls_or_leave(monkeypatch: pytest.MonkeyPatch, closed_port: int) -> None:
    address = f"127.0.0.1:{closed_port}"
    with pytest.raises(
        UsageError, match=r"RAY_USE_TLS is not set: .*or allow it with coordinator.insecure = true"
    ):
        ClusterRay(address, host="10.77.0.10").start()
    for options in ({"insecure": True}, {}):
        if not options:
            monkeypatch.setenv("RAY_USE_TLS", "1")
        with pytest.raises(UsageError, match="no Ray cluster answers"):
            ClusterRay(address, host="10.77.0.10", **options).start()


def test_every_node_has_a_resource_of_its_name() -> None:
    assert board_resource("n07") == "board:n07"


def test_machines_that_only_train_need_no_coordinator_s_address_but_tls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = ClusterRay("10.77.0.10:6379", host=None)
    monkeypatch.setattr(
        ray, "nodes", lambda: [{"Alive": True, "Resources": {}, "NodeManagerAddress": "10.77.0.11"}]
    )
    with pytest.raises(UsageError, match=r"10.77.0.11 would compute, and RAY_USE_TLS is not set"):
        cluster._require_machines()
    monkeypatch.setenv("RAY_USE_TLS", "1")
    cluster._require_machines()


@pytest.mark.parametrize(("given", "joined"), [(None, "0"), ("1", "1")])
def test_this_process_joins_without_metrics_unless_they_are_asked_for(
    given: str | None, joined: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(METRICS, raising=False)
    if given is not None:
        monkeypatch.setenv(METRICS, given)
    seen = []

    def init(**_: object) -> None:
        seen.append(os.environ[METRICS])
        raise ConnectionError("seen")

    monkeypatch.setattr(ray, "init", init)
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(UsageError, match="seen"):
        ClusterRay(f"127.0.0.1:{server.getsockname()[1]}", host="127.0.0.1").start()
    assert seen == [joined]
    assert os.environ.get(METRICS) == given
