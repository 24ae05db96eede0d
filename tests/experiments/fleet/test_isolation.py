from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from experiments.fleet import isolation


def serve(family: int, address: str) -> socket.socket:
    server = socket.socket(family)
    server.bind((address, 0))
    server.listen()
    return server


def test_listeners_are_found_with_address_and_port():
    with serve(socket.AF_INET, "127.0.0.1") as server:
        (found,) = [x for x in isolation.listeners() if x.port == server.getsockname()[1]]
        assert (found.address, found.loopback) == ("127.0.0.1", True)
        assert found not in isolation.exposed(isolation.listeners())


def test_a_wildcard_listener_is_named_and_refused():
    with serve(socket.AF_INET, "0.0.0.0") as server:
        port = server.getsockname()[1]
        assert port in {x.port for x in isolation.exposed(isolation.listeners())}
        if not isolation.is_isolated():
            with pytest.raises(isolation.IsolationError, match=f"0.0.0.0:{port}"):
                isolation.require_loopback()
            with pytest.raises(isolation.IsolationError, match=f"0.0.0.0:{port}"):
                isolation.require_loopback(open_ports=[port + 1])
            isolation.require_loopback(open_ports=[port])


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="no IPv6 here")
@pytest.mark.parametrize(
    ("address", "loopback"),
    [("::1", True), ("::", False), ("::ffff:127.0.0.1", True), ("::ffff:0.0.0.0", False)],
)
def test_listeners_of_ipv6_are_found_and_judged_also_where_they_stand_for_ipv4(address, loopback):
    with socket.socket(socket.AF_INET6) as server:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        server.bind((address, 0))
        server.listen()
        (found,) = [x for x in isolation.listeners() if x.port == server.getsockname()[1]]
        assert found.loopback is loopback
        assert (found in isolation.exposed([found])) is not loopback


def test_a_socket_that_only_talks_is_no_listener():
    with (
        serve(socket.AF_INET, "127.0.0.1") as server,
        socket.create_connection(server.getsockname()) as client,
    ):
        assert client.getsockname()[1] not in {x.port for x in isolation.listeners()}


def test_listeners_of_children_are_found():
    code = "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1]); input()"
    with subprocess.Popen(
        [sys.executable, "-u", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        port = int(child.stdout.readline())
        assert (child.pid, port) in {(x.pid, x.port) for x in isolation.listeners()}
        child.communicate("\n")


def test_unknown_isolation_names_the_allowed():
    with pytest.raises(ValueError, match="auto, netns, none"):
        isolation.ensure_isolated("vault")


def test_a_namespace_has_nothing_but_loopback_or_says_why_not():
    code = """
import os, socket, sys
from experiments.fleet import isolation
before = os.getuid(), os.getpid()
try:
    isolation.ensure_isolated("netns")
except isolation.IsolationError as error:
    sys.exit(f"refused: {error}")
assert isolation.is_isolated() and before == (os.getuid(), os.getpid())
server = socket.create_server(("127.0.0.1", 0))
socket.create_connection(server.getsockname(), timeout=60).close()
wild = socket.create_server(("0.0.0.0", 0))
isolation.require_loopback()
try:
    socket.create_connection(("192.0.2.1", 9), timeout=60)
except OSError:
    sys.exit(7)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    if "refused" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == 7, done.stderr
