"""Calls that every port of ours refuses, against real servers: the status, and no row in the ledger.

A refusal is an answer: none of these calls may come to the end of its deadline.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from coordinator.adapters.control_client import ControlClient, CoordinatorError
from edge_node.adapters.batch_transfer import head_metadata
from edge_node.adapters.coordinator_client import GrpcLink
from edge_node.adapters.host import GrpcHost
from edge_node.serving.client import InferClient, InferError
from edge_node.slots.link import LinkError
from experiments.cluster.authority import Use
from protos import codec
from protos.access.calls import Calls
from protos.access.config import COORDINATOR, RUNNER, Access
from protos.access.files import AUTHORITY, CERTIFICATE, KEY
from protos.access.guard import SECRET_HEADER
from protos.messages.parcels import Parcel, Tensor
from protos.messages.runner import BeginSlot, EndSlot, ReportQuery, StatusRequest
from protos.messages.stream import Heartbeat, Heartbeats, Refusal, Welcome
from protos.messages.terms import Stage
from tests.boards.identities import Identities, revoke
from tests.edge_node.adapters.running import STAGES, MakeNode, Serving, coordinator_config, serving

DEADLINE_S = 120.0
LOCAL = (("grpc.use_local_subchannel_pool", 1),)
CONTROL = (
    (codec.GET_STATUS, StatusRequest()),
    (codec.GET_REPORT, ReportQuery("")),
    (codec.BEGIN_SLOT, BeginSlot(0, Stage.PREPARATION, 0.1)),
    (codec.END_SLOT, EndSlot(0, 0.1)),
)


@dataclass
class Bed:
    """A coordinator and one node's servers under mutual TLS."""

    ours: Identities
    others: Identities
    coordinator: Access
    running: Serving
    host: GrpcHost
    register: bytes
    folder: Path

    def rows(self) -> int:
        return len(list(self.running.server.ledger.entries()))

    @property
    def secured(self) -> Access:
        return self.coordinator


@pytest.fixture
def testbed(make_node: MakeNode, tmp_path: Path) -> Iterator[Bed]:
    ours, others = Identities(tmp_path, "ours"), Identities(tmp_path, "others")
    coordinator = ours.coordinator()
    config = coordinator_config(tmp_path, access=coordinator)
    register = codec.encode_up(make_node(0, stages=STAGES).register("boot", "127.0.0.1:1"))
    with serving(config) as running, GrpcHost(access=ours.node("n2")) as host:
        GrpcLink(make_node(2, stages=STAGES), host, running.address)
        yield Bed(ours, others, coordinator, running, host, register, tmp_path)


def attend(address: str, access: Access, *messages: bytes, name: str = COORDINATOR) -> list[Any]:
    """Answers to a node's stream. Raises grpc.RpcError."""
    calls = Calls(access)
    with calls.channel(address, name, LOCAL) as channel:
        stream = channel.stream_stream(codec.ATTEND.path)
        heard = []
        for data in stream(iter(messages), timeout=DEADLINE_S, metadata=calls.metadata):
            heard.append(codec.decode_down(data))
            if isinstance(heard[-1], Refusal):
                break
        return heard


def refused(call: Callable[[], Any]) -> grpc.StatusCode:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    status: Any = caught.value
    assert status.code() is not grpc.StatusCode.DEADLINE_EXCEEDED
    code: grpc.StatusCode = status.code()
    return code


def no_certificate(bed: Bed) -> Any:
    """TLS towards the right authority, with nothing of one's own."""
    credentials = grpc.ssl_channel_credentials(bed.ours.authority.pem)
    options = (*LOCAL, ("grpc.ssl_target_name_override", COORDINATOR))
    with grpc.secure_channel(bed.running.address, credentials, options) as channel:
        return list(channel.stream_stream(codec.ATTEND.path)(iter([bed.register]), timeout=DEADLINE_S))


STRANGERS: dict[str, Callable[[Bed], Access]] = {
    "expired": lambda bed: bed.ours.expired("n0"),
    "not yet valid": lambda bed: bed.ours.not_yet_valid("n0"),
    "another authority": lambda bed: bed.others.access(("n0",), Use.NODE, trusts=bed.ours.authority),
    "an authority of the same name": lambda bed: Identities(bed.folder / "others", "ours").access(
        ("n0",), Use.NODE, trusts=bed.ours.authority
    ),
    "certificate of a server": lambda bed: bed.ours.access(("n0",), Use.SERVER),
}


@pytest.mark.parametrize("stranger", STRANGERS)
def test_a_stranger_comes_to_no_port(testbed: Bed, stranger: str) -> None:
    access, before = STRANGERS[stranger](testbed), testbed.rows()
    unavailable = grpc.StatusCode.UNAVAILABLE
    assert refused(lambda: attend(testbed.running.address, access, testbed.register)) is unavailable
    assert refused(lambda: deliver(testbed, access, "n0")) is unavailable
    assert refused(lambda: control(testbed, access, codec.GET_STATUS, StatusRequest())) is unavailable
    with pytest.raises(InferError, match="UNAVAILABLE"):
        infer(testbed, access)
    assert testbed.rows() == before


def test_without_a_certificate_nobody_comes_in(testbed: Bed) -> None:
    before = testbed.rows()
    assert refused(lambda: no_certificate(testbed)) is grpc.StatusCode.UNAVAILABLE
    for address in (testbed.host.address, testbed.host.infer_address):
        credentials = grpc.ssl_channel_credentials(testbed.ours.authority.pem)
        options = (*LOCAL, ("grpc.ssl_target_name_override", "n2"))
        with grpc.secure_channel(address, credentials, options) as channel:
            call = channel.unary_unary(codec.DELIVER.path)
            assert refused(lambda: call(b"", timeout=DEADLINE_S)) is grpc.StatusCode.UNAVAILABLE  # noqa: B023
    assert testbed.rows() == before


def test_plaintext_comes_to_no_port(testbed: Bed) -> None:
    before = testbed.rows()
    plain = Access()
    assert refused(lambda: attend(testbed.running.address, plain, testbed.register)) is (
        grpc.StatusCode.UNAVAILABLE
    )
    assert refused(lambda: deliver(testbed, plain, "n0")) is grpc.StatusCode.UNAVAILABLE
    with pytest.raises(InferError, match="UNAVAILABLE"):
        infer(testbed, plain)
    assert testbed.rows() == before


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
@pytest.mark.parametrize(("version", "in_use"), [("TLSv1_1", False), ("TLSv1_2", True)])
def test_tls_before_1_2_is_refused(testbed: Bed, version: str, in_use: bool) -> None:
    for address in (testbed.running.address, testbed.host.address, testbed.host.infer_address):
        if in_use:
            assert tls_connection(testbed, address, version) == "TLSv1.2"
            continue
        with pytest.raises(ssl.SSLError, match=r"(?i)protocol"):
            tls_connection(testbed, address, version)


def tls_connection(bed: Bed, address: str, version: str) -> str | None:
    """Connect with this version of TLS alone, and end; the version in use. Raises ssl.SSLError."""
    own = bed.ours.node("n0").certificates
    assert own is not None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("ALL:@SECLEVEL=0")  # else it is this end that refuses
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    context.load_cert_chain(own / CERTIFICATE, own / KEY)
    context.load_verify_locations(own / AUTHORITY)
    context.check_hostname = False
    context.set_alpn_protocols(["h2"])
    host, _, port = address.rpartition(":")
    with (
        socket.create_connection((host, int(port)), DEADLINE_S) as plain,
        context.wrap_socket(plain, server_hostname=COORDINATOR) as secure,
    ):
        return secure.version()


def test_a_stolen_certificate_is_good_for_its_own_name_only(testbed: Bed) -> None:
    before = testbed.rows()
    for name in ("n1", RUNNER):
        thief = testbed.ours.access((name,), Use.NODE)
        (refusal,) = attend(testbed.running.address, thief, testbed.register)
        assert isinstance(refusal, Refusal)
        assert refusal.code == "wrong_certificate"
        assert f"of {name}, not of n0" in refusal.reason
    assert testbed.rows() == before


def test_a_name_inside_a_longer_one_is_another_name(testbed: Bed) -> None:
    before = testbed.rows()
    for name in ("n0.evil", "n00", "*", "N0"):
        (refusal,) = attend(testbed.running.address, testbed.ours.node(name), testbed.register)
        assert isinstance(refusal, Refusal)
        assert refusal.code == "wrong_certificate"
    assert testbed.rows() == before


def test_later_messages_are_of_the_registered_node_too(testbed: Bed) -> None:
    heartbeat = codec.encode_up(Heartbeat("n1", "boot", 1, 1))
    heard = attend(testbed.running.address, testbed.ours.node("n0"), testbed.register, heartbeat)
    assert isinstance(heard[0], Welcome)
    assert isinstance(heard[-1], Refusal)
    assert heard[-1].code == "wrong_node"
    together = codec.encode_up(Heartbeats((Heartbeat("n0", "boot", 1, 1), Heartbeat("n1", "boot", 1, 1))))
    heard = attend(testbed.running.address, testbed.ours.node("n0"), testbed.register, together)
    assert isinstance(heard[-1], Refusal)
    assert heard[-1].code == "wrong_certificate"


def test_a_revoked_certificate_is_refused_everywhere_without_a_restart(testbed: Bed) -> None:
    access = testbed.ours.node("n0")
    assert isinstance(attend_until_welcome(testbed, access), Welcome)
    before = testbed.rows()
    revoke(testbed.ours, access, at=testbed.coordinator)
    unknown = grpc.StatusCode.UNAUTHENTICATED
    assert refused(lambda: attend(testbed.running.address, access, testbed.register)) is unknown
    assert refused(lambda: control(testbed, access, codec.GET_STATUS, StatusRequest())) is unknown
    assert testbed.rows() == before


def test_an_open_stream_ends_when_its_certificate_is_revoked(testbed: Bed) -> None:
    access = testbed.ours.node("n0")
    calls = Calls(access)

    let_in = threading.Event()

    def messages() -> Iterator[bytes]:
        yield testbed.register
        assert let_in.wait(DEADLINE_S)
        revoke(testbed.ours, access, at=testbed.coordinator)
        yield codec.encode_up(Heartbeat("n0", "boot", 1, 1))

    with calls.channel(testbed.running.address, COORDINATOR, LOCAL) as channel:
        stream = channel.stream_stream(codec.ATTEND.path)
        heard = []
        for data in stream(messages(), timeout=DEADLINE_S):
            heard.append(codec.decode_down(data))
            let_in.set()
    assert isinstance(heard[-1], Refusal)
    assert heard[-1].code == "revoked"


def test_a_node_that_is_not_let_in_says_why(testbed: Bed, make_node: MakeNode) -> None:
    access = testbed.ours.node("n0")
    revoke(testbed.ours, access, at=testbed.coordinator)
    cases = [(access, "revoked; invite the node again"), (testbed.ours.node("n1"), "certificate is of n1")]
    for shown, why in cases:
        with GrpcHost(access=shown) as host:
            link = GrpcLink(make_node(0, stages=STAGES), host, testbed.running.address)
            link.start()
            with pytest.raises(LinkError, match=why):
                link.wait_registered(DEADLINE_S)


def test_a_server_with_another_name_or_authority_gets_no_message(testbed: Bed) -> None:
    """The node refuses, before it says anything: who answers is no coordinator."""
    node = testbed.ours.node("n0")
    unavailable = grpc.StatusCode.UNAVAILABLE
    assert refused(lambda: attend(testbed.host.address, node, testbed.register)) is unavailable
    stranger = testbed.ours.access(("n0",), Use.NODE, trusts=testbed.others.authority)
    assert refused(lambda: attend(testbed.running.address, stranger, testbed.register)) is unavailable


@pytest.mark.parametrize("rpc", CONTROL, ids=[rpc.method for rpc, _ in CONTROL])
def test_control_is_the_runners_alone(testbed: Bed, rpc: tuple[codec.Rpc, Any]) -> None:
    before = testbed.rows()
    denied = grpc.StatusCode.PERMISSION_DENIED
    assert refused(lambda: control(testbed, testbed.ours.node("n0"), *rpc)) is denied
    assert testbed.rows() == before


def test_the_runner_is_let_in(testbed: Bed) -> None:
    with ControlClient(testbed.running.address, access=testbed.ours.runner()) as control:
        assert control.status().run_id == "run"
    with (
        ControlClient(testbed.running.address, access=testbed.ours.node("n0")) as control,
        pytest.raises(CoordinatorError, match="only runner may call this"),
    ):
        control.status()


def test_a_parcel_comes_from_its_owner(testbed: Bed) -> None:
    node, runner = testbed.ours.node("n1"), testbed.ours.runner()
    for access in (node, runner):
        assert refused(lambda: deliver(testbed, access, "n0")) is grpc.StatusCode.PERMISSION_DENIED  # noqa: B023
    receipt = deliver(testbed, node, "n1")
    assert "slot" in receipt.reason, "let in; the node itself has no such slot"


def test_a_parcel_goes_to_its_executor(testbed: Bed) -> None:
    """At n2's address answers n2: a parcel for n1 is not handed over."""
    with GrpcHost(access=testbed.ours.node("n0")) as other:
        receipt = other.submit(other.deliver(testbed.host.address, parcel("n0", "n1"), DEADLINE_S)).result(
            2 * DEADLINE_S
        )
        assert not receipt.accepted
        assert "UNAVAILABLE" in receipt.reason or "did not answer" in receipt.reason
        receipt = other.submit(other.deliver(testbed.host.address, parcel("n0", "n2"), DEADLINE_S)).result(
            2 * DEADLINE_S
        )
        assert "slot" in receipt.reason


def test_an_outside_client_names_the_node_and_shows_a_certificate(testbed: Bed) -> None:
    runner = testbed.ours.runner()
    with pytest.raises(ValueError, match="which node answers there"):
        InferClient(testbed.host.infer_address, runner)
    with pytest.raises(InferError, match="UNAVAILABLE"):
        infer(testbed, runner, node_id="n1")
    with pytest.raises(InferError, match="FAILED_PRECONDITION"):  # let in: it has no model yet
        infer(testbed, runner)


def test_a_certificate_lasts_no_longer_than_it_says(testbed: Bed) -> None:
    access = testbed.ours.access(("n0",), Use.NODE, lasts=timedelta(days=1))
    assert isinstance(attend_until_welcome(testbed, access), Welcome)


@pytest.fixture
def loopback(make_node: MakeNode, tmp_path: Path) -> Iterator[Bed]:
    """Coordinator and node on loopback with the secret of a run."""
    path = tmp_path / "secret"
    path.touch(0o600)
    path.write_text("5ecret")
    access = Access(secret_file=path)
    register = codec.encode_up(make_node(0, stages=STAGES).register("boot", "127.0.0.1:1"))
    with (
        serving(coordinator_config(tmp_path, access=access)) as running,
        GrpcHost(access=access) as host,
    ):
        GrpcLink(make_node(2, stages=STAGES), host, running.address)
        identities = Identities(tmp_path)
        yield Bed(identities, identities, access, running, host, register, tmp_path)


@pytest.mark.parametrize("secret", ["none", "another"])
def test_on_loopback_every_call_carries_the_secret(loopback: Bed, secret: str) -> None:
    access, before = Access(), loopback.rows()
    if secret == "another":
        other = loopback.folder / "other"
        other.touch(0o600)
        other.write_text("5ecreT")
        access = Access(secret_file=other)
    unknown = grpc.StatusCode.UNAUTHENTICATED
    assert refused(lambda: attend(loopback.running.address, access, loopback.register)) is unknown
    assert refused(lambda: deliver(loopback, access, "n0")) is unknown
    for rpc in CONTROL:
        assert refused(lambda: control(loopback, access, *rpc)) is unknown  # noqa: B023
    with pytest.raises(InferError, match="UNAUTHENTICATED"):
        infer(loopback, access)
    assert loopback.rows() == before


def test_with_the_secret_calls_are_let_in(loopback: Bed) -> None:
    access = loopback.secured
    assert isinstance(attend_until_welcome(loopback, access), Welcome)
    assert control(loopback, access, codec.GET_STATUS, StatusRequest()).run_id == "run"
    assert "slot" in deliver(loopback, access, "n0").reason
    with pytest.raises(InferError, match="FAILED_PRECONDITION"):
        infer(loopback, access)


def test_the_secret_is_a_header_of_the_call_and_of_no_message(loopback: Bed) -> None:
    with grpc.insecure_channel(loopback.running.address, LOCAL) as channel:
        call = channel.unary_unary(codec.GET_STATUS.path)
        data = codec.GET_STATUS.encode_request(StatusRequest())
        assert b"5ecret" not in call(data, timeout=DEADLINE_S, metadata=((SECRET_HEADER, "5ecret"),))


def attend_until_welcome(bed: Bed, access: Access) -> Any:
    calls = Calls(access)
    with calls.channel(bed.running.address, COORDINATOR, LOCAL) as channel:
        stream = channel.stream_stream(codec.ATTEND.path)
        answers = stream(iter([bed.register]), timeout=DEADLINE_S, metadata=calls.metadata)
        first = codec.decode_down(next(answers))
        answers.cancel()
        return first


def parcel(owner: str, executor: str) -> Parcel:
    return Parcel("run", 1, 0, owner, executor, (1,), (Tensor("x", "uint8", (4,), bytes(4)),), (4,))


def deliver(bed: Bed, access: Access, owner: str) -> Any:
    calls = Calls(access)
    with calls.channel(bed.host.address, "n2", LOCAL) as channel:
        call = channel.unary_unary(codec.DELIVER.path)
        data = codec.DELIVER.encode_request(parcel(owner, "n2"))
        metadata = (*calls.metadata, *head_metadata(parcel(owner, "n2")))
        return codec.DELIVER.decode_response(call(data, timeout=DEADLINE_S, metadata=metadata))


def control(bed: Bed, access: Access, rpc: codec.Rpc, message: Any) -> Any:
    calls = Calls(access)
    with calls.channel(bed.running.address, COORDINATOR, LOCAL) as channel:
        call = channel.unary_unary(rpc.path)
        data = call(rpc.encode_request(message), timeout=DEADLINE_S, metadata=calls.metadata)
        return rpc.decode_response(data)


def infer(bed: Bed, access: Access, node_id: str = "n2") -> Any:
    with InferClient(bed.host.infer_address, access, node_id) as client:
        return client.ask({"x": np.zeros((1, 4), dtype=np.float32)}, DEADLINE_S)
