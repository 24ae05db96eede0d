"""Goal 10: callers that TLS, certificates or secrets keep out: rejected within a second, no row in the ledger.

Each is tested by itself in tests/boards/test_refused.py; here all are counted and timed on one pair of servers.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from edge_node.serving.client import InferError
from experiments.cluster.authority import Use
from experiments.cluster.tokens import Tokens
from protos import codec
from protos.access.config import RUNNER, Access
from protos.messages.runner import StatusRequest
from protos.messages.stream import Heartbeat, Refusal
from tests.boards.identities import revoke
from tests.boards.test_refused import (
    STRANGERS,
    Bed,
    attend,
    control,
    deliver,
    infer,
    no_certificate,
    tls_connection,
)

REJECTIONS, MOST_S = 14, 1.0
Negative = Callable[[Bed], Any]


def raises(kind: type[BaseException], call: Callable[[], Any]) -> None:
    with pytest.raises(kind):
        call()


def rejected(call: Callable[[], Any]) -> None:
    """By the status of the call, not by its deadline."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    status: Any = caught.value
    assert status.code() is not grpc.StatusCode.DEADLINE_EXCEEDED


def refusal(heard: list[Any], code: str) -> None:
    assert isinstance(heard[-1], Refusal)
    assert heard[-1].code == code


def _revoked(bed: Bed) -> None:
    access = bed.ours.node("n1")
    revoke(bed.ours, access, at=bed.coordinator)
    rejected(lambda: attend(bed.running.address, access, bed.register))


def _token_again(bed: Bed) -> None:
    tokens = Tokens(bed.folder / "tokens.json")
    token = tokens.new("n9", "0" * 64)
    tokens.spend("n9", token.secret)
    raises(ValueError, lambda: tokens.spend("n9", token.secret))


def _another_node(bed: Bed) -> None:
    access = bed.ours.node("n0")
    heard = attend(bed.running.address, access, bed.register, codec.encode_up(Heartbeat("n1", "boot", 1, 1)))
    refusal(heard, "wrong_node")


def _authority_unknown_to_the_node(bed: Bed) -> None:
    access = bed.ours.access(("n0",), Use.NODE, trusts=bed.others.authority)
    rejected(lambda: attend(bed.running.address, access, bed.register))


NEGATIVES: dict[str, Negative] = {
    **{
        name: lambda bed, access=access: rejected(
            lambda: attend(bed.running.address, access(bed), bed.register)
        )
        for name, access in STRANGERS.items()
    },
    "no certificate": lambda bed: rejected(lambda: no_certificate(bed)),
    "plaintext to the coordinator": lambda bed: rejected(
        lambda: attend(bed.running.address, Access(), bed.register)
    ),
    "plaintext to a peer port": lambda bed: rejected(lambda: deliver(bed, Access(), "n0")),
    "plaintext to an Infer port": lambda bed: raises(InferError, lambda: infer(bed, Access())),
    "TLS 1.1": lambda bed: raises(ssl.SSLError, lambda: tls_connection(bed, bed.running.address, "TLSv1_1")),
    "stolen certificate of another node": lambda bed: refusal(
        attend(bed.running.address, bed.ours.node("n1"), bed.register), "wrong_certificate"
    ),
    "the runner's certificate as a node": lambda bed: refusal(
        attend(bed.running.address, bed.ours.access((RUNNER,), Use.NODE), bed.register), "wrong_certificate"
    ),
    "a longer name with the node's in it": lambda bed: refusal(
        attend(bed.running.address, bed.ours.node("n0.evil"), bed.register), "wrong_certificate"
    ),
    "a wildcard for a name": lambda bed: refusal(
        attend(bed.running.address, bed.ours.node("*"), bed.register), "wrong_certificate"
    ),
    "a message of another node on a stream": _another_node,
    "a server of another name": lambda bed: rejected(
        lambda: attend(bed.host.address, bed.ours.node("n0"), bed.register)
    ),
    "a server of an unknown authority": _authority_unknown_to_the_node,
    "a node calls as the runner": lambda bed: rejected(
        lambda: control(bed, bed.ours.node("n0"), codec.GET_STATUS, StatusRequest())
    ),
    "a parcel of another owner": lambda bed: rejected(lambda: deliver(bed, bed.ours.node("n1"), "n0")),
    "a join token again": _token_again,
    "revoked": _revoked,
}


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
def test_callers_that_tls_keeps_out_are_rejected_within_a_second_and_leave_no_row(testbed: Bed) -> None:
    before, took_s = None, {}
    for name, negative in NEGATIVES.items():
        if name == "a message of another node on a stream":
            attend(testbed.running.address, testbed.ours.node("n0"), testbed.register)  # registers, by right
        before = testbed.rows()
        for _ in range(3):  # a machine that is busy with something else is no server that hesitates
            begun = time.perf_counter()
            negative(testbed)
            took_s[name] = min(took_s.get(name, 99.0), time.perf_counter() - begun)
            if took_s[name] < MOST_S:
                break
        assert testbed.rows() == before, f"{name} left a row"
    slowest = max(took_s, key=lambda name: took_s[name])
    print(f"{len(took_s)} rejections, no row; the slowest ({slowest}) after {took_s[slowest] * 1e3:.0f} ms")
    assert len(took_s) >= REJECTIONS
    assert took_s[slowest] < MOST_S


def test_any_local_user_without_the_secret_of_a_run_is_rejected_on_loopback(
    loopback: Bed, tmp_path: Path
) -> None:
    """Fault 10. What another user of the machine can still do is to connect, and to fill the ports."""
    other = tmp_path / "guess"
    other.touch(0o600)
    other.write_text("5ecreT")
    tried = 0
    for access in (Access(), Access(secret_file=other)):
        before = loopback.rows()
        rejected(lambda: attend(loopback.running.address, access, loopback.register))  # noqa: B023
        rejected(lambda: deliver(loopback, access, "n0"))  # noqa: B023
        rejected(lambda: control(loopback, access, codec.GET_STATUS, StatusRequest()))  # noqa: B023
        raises(InferError, lambda: infer(loopback, access))  # noqa: B023
        assert loopback.rows() == before
        tried += 4
    print(f"{tried} calls without the secret of the run: all rejected, no row")
