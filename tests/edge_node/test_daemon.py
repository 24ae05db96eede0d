"""A board's daemon against a port that says what a test wants: it waits, hosts, releases, and ends when told to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_node import daemon
from edge_node.assignment import Assignment
from edge_node.config import DemandConfig
from experiments.fleet.board_port import BoardPort
from protos.access.config import Access
from tests.boards.identities import Identities, revoke
from tests.experiments.fleet.boards import Running, until

DEMAND = DemandConfig(flop_per_batch=1e6, bytes_per_batch=10, batches=(1,) * 6)


@pytest.fixture
def identities(tmp_path: Path) -> Identities:
    return Identities(tmp_path)


@pytest.fixture
def coordinator(identities: Identities) -> Access:
    return identities.coordinator()


@pytest.fixture
def port(coordinator: Access) -> Iterator[BoardPort]:
    made = BoardPort(coordinator, "127.0.0.1", 0, ["n0"])
    made.start()
    yield made
    made.close()


def test_it_waits_for_a_machine_that_comes_later(
    coordinator: Access, identities: Identities, tmp_path: Path
) -> None:
    first = BoardPort(coordinator, "127.0.0.1", 0, ["n0"])
    first.start()
    place = int(first.address.rpartition(":")[2])
    running = Running(first.address, identities.node("n0"), tmp_path / "state")
    until(lambda: first.boards["n0"].turns)
    first.close()
    until(lambda: running.daemon._stream is None)
    second = BoardPort(coordinator, "127.0.0.1", place, ["n0"])
    second.start()
    until(lambda: second.boards["n0"].turns)
    second.close()
    running.stop()
    assert running.told == []


def test_a_node_is_built_once_for_a_run_and_another_for_the_next(
    port: BoardPort, identities: Identities, make_config: Callable[..., Any], tmp_path: Path
) -> None:
    config = make_config(0, coordinator_address="127.0.0.1:1", demand=DEMAND)

    def letter(session: str) -> list[bytes]:
        return Assignment(session=session, run_number=7, node_number=2, config=config).to_letter()

    running = Running(port.address, identities.node("n0"), tmp_path / "state")
    for session in ("a" * 32, "b" * 32):
        port.assign = lambda _, session=session: (session, letter(session))
        for _ in range(2):
            port.call_all()
        until(lambda session=session: (told := port.boards["n0"].hosting) and told.session == session)
    assert list(dict.fromkeys(told["session"] for told in running.told)) == ["a" * 32, "b" * 32]
    assert len({told["peer_address"] for told in running.told}) == 2
    port.assign = lambda _: None
    port.call_all()
    until(lambda: running.daemon._run is None)
    running.stop()


def test_a_node_of_no_run_is_told_so_and_asks_again(
    port: BoardPort,
    identities: Identities,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(daemon, "REFUSED_WAIT_S", 0.1)
    running = Running(port.address, identities.node("n5"), tmp_path / "state", "n5")
    until(lambda: caplog.text.count("n5 has no part in this run; it waits for the next") > 1)
    assert not running.ended.done()
    running.stop()


def test_a_revoked_certificate_ends_it(
    port: BoardPort, coordinator: Access, identities: Identities, tmp_path: Path
) -> None:
    mine = identities.node("n0")
    running = Running(port.address, mine, tmp_path / "state")
    until(lambda: port.boards["n0"].turns)
    revoke(identities, mine, at=coordinator)
    with pytest.raises(daemon.DaemonError, match="the certificate of n0 is revoked; invite the node again"):
        running.ended.result(60)
