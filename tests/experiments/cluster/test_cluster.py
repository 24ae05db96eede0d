"""A cluster's authority, and boards that join over its port. Commands on hosts of their own: tests/boards."""

from __future__ import annotations

import contextlib
import http.client
import json
import select
import socket
import ssl
import stat
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from experiments.cluster import join as joining
from experiments.cluster import join_service
from experiments.cluster.authority import new_key, signing_request
from experiments.cluster.clock import Clock
from experiments.cluster.cluster import Cluster, folder_of
from experiments.cluster.join import join, node_of
from experiments.cluster.join_service import MOST_BYTES, JoinService
from experiments.cluster.tokens import JoinToken, State, Tokens
from experiments.errors import UsageError
from protos.access.calls import Calls
from protos.access.config import Access
from protos.access.files import CERTIFICATE, KEY, REVOKED, read_identity
from protos.access.guard import Guard


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster.make(tmp_path / "boards.toml")


@pytest.fixture
def service(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[JoinService]:
    """As patient as a busy machine needs, and so is who asks it."""
    monkeypatch.setattr(joining, "TIMEOUT_S", 120.0)
    monkeypatch.setattr(join_service, "PATIENCE_S", 120.0)
    monkeypatch.setattr(join_service._Handler, "timeout", 120.0)
    with JoinService(cluster, "127.0.0.1") as made:
        yield made


def serials(path: Path) -> set[int]:
    return {item.serial_number for item in x509.load_pem_x509_crl(path.read_bytes())}


def test_an_authority_is_made_once_and_opened_after(tmp_path: Path) -> None:
    inventory = tmp_path / "boards.toml"
    with pytest.raises(UsageError, match="has no authority yet; detabed cluster init"):
        Cluster.open(inventory)
    made = Cluster.make(inventory)
    assert stat.S_IMODE(folder_of(inventory).stat().st_mode) == 0o700
    assert Cluster.open(inventory).authority.fingerprint == made.authority.fingerprint
    with pytest.raises(UsageError, match="exists already"):
        Cluster.make(inventory)
    for access in (made.coordinator, made.runner):
        Guard(access), Calls(access)
    (folder_of(inventory) / "authority" / KEY).chmod(0o644)
    with pytest.raises(UsageError, match="chmod 600"):
        Cluster.open(inventory)


def test_a_board_joins_with_a_key_of_its_own(cluster: Cluster, service: JoinService, tmp_path: Path) -> None:
    folder = tmp_path / "config" / "node"
    token = cluster.invite("n7")
    certificate = join(service.address, token, folder)
    assert node_of(folder) == "n7"
    assert cluster.invited("n7") is State.USED
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / KEY).stat().st_mode) == 0o600
    assert read_identity(folder).authority == cluster.authority.pem
    certificate.verify_directly_issued_by(cluster.authority.certificate)
    access = Access(certificates=folder)
    Guard(access), Calls(access)
    everywhere = b"".join(
        path.read_bytes() for path in folder_of(tmp_path / "boards.toml").rglob("*") if path.is_file()
    )
    assert read_identity(folder).key not in everywhere
    assert list(folder.parent.iterdir()) == [folder]


def test_a_port_that_is_closed_after_a_token_was_spent_has_answered(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command that invited ends then: a board whose token is spent must have its certificate."""
    admit, closing, closed, done = cluster.admit, *(threading.Event() for _ in range(3))

    def held_up(*asked: Any) -> Any:
        admitted = admit(*asked)
        assert closing.wait(60)
        closed.wait(1.0)  # which it is not, before the answer
        return admitted

    def answered(self: Any, *told: Any) -> None:
        answer(self, *told)
        done.set()

    answer = join_service._Handler._answer
    monkeypatch.setattr(join_service._Handler, "_answer", answered)
    token = cluster.invite("n7")
    service = JoinService(cluster, "127.0.0.1")
    monkeypatch.setattr(cluster, "admit", held_up)
    with ThreadPoolExecutor(1) as board:
        joined = board.submit(join, service.address, token, tmp_path / "node")
        while cluster.invited("n7") is State.WAITING:
            assert not joined.done(), joined.exception()
            time.sleep(0.01)
        done.clear()  # of the authority that it asked for first
        closing.set()
        service.close()
        assert done.is_set()
        closed.set()
        joined.result(60)
    assert node_of(tmp_path / "node") == "n7"


def test_who_joins_again_replaces_its_certificate(
    cluster: Cluster, service: JoinService, tmp_path: Path
) -> None:
    folder, place = tmp_path / "node", folder_of(tmp_path / "boards.toml")
    first = join(service.address, cluster.invite("n7"), folder)
    assert serials(place / "authority" / REVOKED) == set()
    second = join(service.address, cluster.invite("n7"), folder)
    assert first.serial_number != second.serial_number
    for listed in ("authority", "coordinator", "runner"):
        assert serials(place / listed / REVOKED) == {first.serial_number}
    assert serials(folder / REVOKED) == {first.serial_number}
    cluster.revoke("n7")
    assert serials(place / "coordinator" / REVOKED) == {first.serial_number, second.serial_number}
    with pytest.raises(UsageError, match="n7 has no certificate"):
        cluster.revoke("n7")
    assert list(tmp_path.glob(".node*")) == []


def test_replayed_expired_and_foreign_tokens_are_refused(
    cluster: Cluster, service: JoinService, tmp_path: Path
) -> None:
    token = cluster.invite("n7")
    join(service.address, token, tmp_path / "first")
    other = Cluster.make(tmp_path / "other.toml")
    expired = cluster.invite("n8")
    cluster.tokens = Tokens(
        folder_of(tmp_path / "boards.toml") / "tokens.json", lambda: datetime.now(UTC) + timedelta(minutes=11)
    )
    cases: list[tuple[JoinToken, str]] = [
        (token, "the token of n7 was used already"),
        (expired, "the token of n8 expired"),
        (JoinToken("n7", cluster.authority.fingerprint, "0" * 64), "no such token of n7"),
        (JoinToken("n9", cluster.authority.fingerprint, expired.secret), "no such token of n9"),
        (other.invite("n7"), "another authority than the token of n7.*Nothing was sent"),
    ]
    for refused, why in cases:
        with pytest.raises(UsageError, match=why):
            join(service.address, refused, tmp_path / "second")
        assert not (tmp_path / "second").exists()
    issued = folder_of(tmp_path / "boards.toml") / "issued"
    assert [path.name for path in issued.iterdir()] == ["n7.pem"]


def test_a_board_that_is_another_node_keeps_its_identity(
    cluster: Cluster, service: JoinService, tmp_path: Path
) -> None:
    join(service.address, cluster.invite("n7"), tmp_path / "node")
    before = (tmp_path / "node" / CERTIFICATE).read_bytes()
    token = cluster.invite("n8")
    with pytest.raises(UsageError, match=r"this board is n7 already .* the token is for n8"):
        join(service.address, token, tmp_path / "node")
    assert (tmp_path / "node" / CERTIFICATE).read_bytes() == before
    assert cluster.invited("n8") is State.WAITING
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").touch()
    with pytest.raises(UsageError, match="holds something else"):
        join(service.address, token, tmp_path / "home")


def test_a_board_without_the_time_waits_for_it(
    cluster: Cluster, service: JoinService, tmp_path: Path
) -> None:
    early, token = datetime(1970, 1, 1, 0, 2, tzinfo=UTC), cluster.invite("n7")
    with pytest.raises(UsageError, match=r"clock of n7 says 1970-01-01 .*time synchronisation"):
        join(service.address, token, tmp_path / "node", Clock(now=lambda: early))
    assert cluster.invited("n7") is State.WAITING
    assert not (tmp_path / "node").exists()
    times = [early]
    clock = Clock(60.0, now=lambda: times[-1], sleep=lambda _: times.append(datetime.now(UTC)))
    join(service.address, token, tmp_path / "node", clock)
    assert len(times) == 2


def test_who_answers_must_hold_the_key_of_the_tokens_authority(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody can repeat the authority's certificate; the second connection asks for more."""
    other = Cluster.make(tmp_path / "other.toml")
    monkeypatch.setattr(other, "authority", cluster.authority)  # what it says, not what it proves
    token = cluster.invite("n7")
    with JoinService(other, "127.0.0.1") as impostor, pytest.raises(UsageError, match="cannot prove"):
        join(impostor.address, token, tmp_path / "node")
    assert cluster.invited("n7") is State.WAITING


def test_a_board_that_stalls_is_told_that_it_was_hung_up_on(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever hangs up before the handshake has proved nothing, and has not failed to."""
    monkeypatch.setattr(join_service, "PATIENCE_S", 0.05)
    connect = http.client.HTTPConnection.connect

    def stalling(connection: http.client.HTTPConnection) -> None:
        connect(connection)
        select.select([connection.sock], [], [], 120.0)  # the end of the connection is there to be read

    monkeypatch.setattr(http.client.HTTPConnection, "connect", stalling)
    token = cluster.invite("n7")
    with (
        JoinService(cluster, "127.0.0.1") as service,
        pytest.raises(UsageError, match=r"closed the connection before n7 had joined .* this command again"),
    ):
        join(service.address, token, tmp_path / "node")
    assert cluster.invited("n7") is State.WAITING
    assert not (tmp_path / "node").exists()


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("10.77.0.10", "is no HOST:PORT; detabed cluster invite n7"),
        ("127.0.0.1:1", "is detabed cluster invite n7 still running"),
        ("no.such.host.invalid:7443", "and the address right"),
    ],
)
def test_an_address_where_nobody_answers(cluster: Cluster, tmp_path: Path, address: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        join(address, cluster.invite("n7"), tmp_path / "node")


def test_a_port_that_is_none_of_ours(cluster: Cluster, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(120)
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(joining, "TIMEOUT_S", 0.2)
            with pytest.raises(UsageError, match="nothing of ours answers"):
                join(address, cluster.invite("n7"), tmp_path / "node")


def ask(
    address: str, method: str, path: str, body: bytes | None = None, length: int | None = None
) -> tuple[int, str]:
    host, _, port = address.rpartition(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection(host, int(port), timeout=120, context=context)
    headers = {} if length is None else {"Content-Length": str(length)}
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    return response.status, response.read().decode()


def joined(cluster: Cluster, change: Callable[[dict[str, object]], object]) -> bytes:
    token = cluster.invite("n7")
    asked: dict[str, object] = {
        "node_id": "n7",
        "secret": token.secret,
        "request": signing_request(new_key(), "n7").decode(),
    }
    change(asked)
    return json.dumps(asked).encode()


def test_other_calls_of_the_port_are_refused_and_spend_no_token(
    cluster: Cluster, service: JoinService
) -> None:
    another = signing_request(new_key(), "n8").decode()
    bodies = [
        b"no json",
        b"[]",
        b"{}",
        joined(cluster, lambda asked: asked.update(request="no request")),
        joined(cluster, lambda asked: asked.update(request=another)),
        joined(cluster, lambda asked: asked.update(secret=7)),
        joined(cluster, lambda asked: asked.pop("secret")),
        joined(cluster, lambda asked: asked.update(node_id="../runner")),
        joined(cluster, lambda asked: asked.update(extra=1)),
    ]
    for body in bodies:
        status, said = ask(service.address, "POST", "/join", body)
        assert (status, set(json.loads(said))) == (403, {"error"}), body
    # It is not read, so that its answer may be lost, whole or in part.
    with contextlib.suppress(ConnectionError, http.client.HTTPException):
        assert ask(service.address, "POST", "/join", b"{}", length=MOST_BYTES + 1)[0] == 403
    assert ask(service.address, "POST", "/leave", b"{}")[0] == 403
    assert ask(service.address, "GET", "/")[0] == 404
    assert ask(service.address, "GET", "/tokens.json")[0] == 404
    assert cluster.invited("n7") is State.WAITING
    assert ask(service.address, "POST", "/join", joined(cluster, lambda _: None))[0] == 200


def test_callers_that_stall_keep_no_board_waiting(
    cluster: Cluster, service: JoinService, tmp_path: Path
) -> None:
    host, _, port = service.address.rpartition(":")
    stalled = [socket.create_connection((host, int(port)), 120) for _ in range(8)]
    join(service.address, cluster.invite("n7"), tmp_path / "node")
    for connection in stalled:
        connection.close()


def test_a_port_that_is_taken(cluster: Cluster, service: JoinService) -> None:
    with pytest.raises(OSError, match="in use"):
        JoinService(cluster, "127.0.0.1", int(service.address.rpartition(":")[2]))
