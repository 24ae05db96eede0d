"""Whether the coordinator can listen on the host that a scenario names, before anything starts."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from experiments.errors import UsageError
from experiments.resolve.listen import transport_security
from experiments.resolve.resolve import resolve
from experiments.scenario.model import parse_scenario
from tests.scenarios import TINY


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("banana", "'banana' is no address and does not resolve to one"),
        ("::1", "write [::1]"),
        ("127.0.0.1:8080", "a port is not part of it"),
        ("[127.0.0.1]", "brackets and colons are for IPv6"),
    ],
)
def test_a_host_that_is_none_is_refused_for_every_kind_of_fleet(
    host: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resolve_nothing(name: str, *_: object, **__: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", resolve_nothing)
    for kind in ("inprocess", "ray"):
        text = f'[coordinator]\nhost = "{host}"\n' + TINY.replace("inprocess", kind)
        with pytest.raises(UsageError, match=r"scenario:2: coordinator\.host: ") as refused:
            resolve(parse_scenario(text))
        assert said in str(refused.value)
        assert "allowed is an address of this machine" in str(refused.value)


def test_a_host_of_another_machine_is_refused_where_the_run_would_listen_there() -> None:
    elsewhere = '[coordinator]\nhost = "192.0.2.1"\n' + TINY  # TEST-NET-1: no machine has it
    resolve(parse_scenario(elsewhere))
    with pytest.raises(UsageError, match=r"coordinator\.host: '192\.0\.2\.1' is not this machine's"):
        resolve(parse_scenario(elsewhere.replace("inprocess", "ray")))
    for host in ("127.0.0.1", "0.0.0.0", "localhost"):
        resolve(parse_scenario(elsewhere.replace("inprocess", "ray").replace("192.0.2.1", host)))


@pytest.mark.parametrize(
    ("keys", "kind", "said", "warned"),
    [
        ("", "ray", "off; listens on loopback only", False),
        ("", "inprocess", None, False),
        ("insecure = true\n", "ray", "off; listens on loopback only", False),
        ('host = "0.0.0.0"\n', "ray", "mutual TLS on every port (0.0.0.0)", False),
        ('host = "0.0.0.0"\ninsecure = true\n', "ray", "off; listens on 0.0.0.0 in the clear", True),
        ('host = "0.0.0.0"\ninsecure = true\n', "inprocess", None, False),
    ],
)
def test_a_run_says_how_its_ports_are_kept(keys: str, kind: str, said: str | None, warned: bool) -> None:
    scenario = parse_scenario("[coordinator]\n" + keys + TINY.replace("inprocess", kind))
    found = transport_security(scenario)
    assert (found is None) if said is None else (found is not None and found.startswith(said))
    resolved = resolve(scenario)
    assert any("without TLS (coordinator.insecure = true)" in text for text in resolved.warnings) is warned
    assert resolved.coordinator_config("run", Path("ledger")).access.insecure is ("insecure" in keys)
