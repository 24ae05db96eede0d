"""A node as a daemon: registers, serves, ends on request; bad input gives a message and exit code 2."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from edge_node import daemon
from edge_node.slots.link import Link, LinkError
from edge_node.slots.node import EdgeNode
from protos.messages.stream import Register

WAIT_S = 20.0


def test_a_daemon_attends_serves_and_ends(
    make_node: Callable[..., EdgeNode],
    make_config: Callable[..., Any],
    small_coordinator: Any,
    tmp_path: Path,
) -> None:
    stop, ready = threading.Event(), []
    config = make_config(0, coordinator_address=small_coordinator.address)

    def serve(links: Mapping[str, Link], stop: threading.Event) -> None:
        assert list(links) == ["n0"]
        stop.wait(WAIT_S)

    running = threading.Thread(
        target=daemon.run_daemon,
        args=(config, serve),
        kwargs={
            "build": lambda config, outbox: make_node(0, outbox=outbox),
            "outbox_path": tmp_path / "outbox.sqlite",
            "stop": stop,
            "on_ready": lambda link: ready.append(link.address),
        },
    )
    running.start()
    assert small_coordinator.told.wait(WAIT_S)
    stop.set()
    running.join(WAIT_S)
    assert not running.is_alive()
    assert ready[0].startswith("127.0.0.1:")
    assert isinstance(small_coordinator.heard[0], Register)
    assert small_coordinator.heard[0].peer_address == ready[0]
    assert (tmp_path / "outbox.sqlite").exists()


def test_without_a_coordinator_the_daemon_says_so(
    make_node: Callable[..., EdgeNode], make_config: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemon, "REGISTER_TIMEOUT_S", 0.2)
    config = make_config(0, coordinator_address="127.0.0.1:1")
    with pytest.raises(LinkError, match="is it up"):
        daemon.run_daemon(config, daemon.attend_only, build=lambda config, outbox: make_node(0))


def test_a_daemon_that_is_cut_off_ends_and_says_why(
    make_node: Callable[..., EdgeNode], make_config: Callable[..., Any], small_coordinator: Any
) -> None:
    config = make_config(0, coordinator_address=small_coordinator.address)

    def serve(links: Mapping[str, Link], stop: threading.Event) -> None:
        link: Any = links["n0"]
        link.lease.fail("fenced: a newer stream of n0 took over")
        assert stop.wait(WAIT_S)

    with pytest.raises(LinkError, match="n0 is cut off: fenced: a newer stream"):
        daemon.run_daemon(config, serve, build=lambda config, outbox: make_node(0))
