"""Whether a run can listen on the host that a scenario names, before anything starts, and how its ports are kept."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

from experiments.errors import UsageError
from experiments.scenario.model import Scenario
from protos.access.config import is_loopback

LISTENING = ("ray", "daemons")
"""Kinds of fleets whose runs open ports."""
ALLOWED = (
    "allowed is an address of this machine (127.0.0.1, [::1], 0.0.0.0 for all) or a name that resolves to one"
)


def check_host(host: str, *, listens: bool) -> None:
    """Raises UsageError for a host that is no address and does not resolve; ``listens``: also for one at which this
    machine cannot listen (a fleet in process opens no port)."""
    found = _addresses(host)
    if listens:
        _listen(host, found)


def transport_security(scenario: Scenario) -> str | None:
    """How the run's ports are kept, for its metadata; None where no port is opened."""
    host = scenario.coordinator.host
    if scenario.fleet.kind not in LISTENING:
        return None
    if scenario.fleet.kind == "daemons":
        return f"mutual TLS on every port ({host}), certificates of the cluster {scenario.fleet.cluster}"
    if is_loopback(host):
        return "off; listens on loopback only, and calls carry a secret of the run"
    if scenario.coordinator.insecure:
        return f"off; listens on {host} in the clear (coordinator.insecure = true)"
    return f"mutual TLS on every port ({host}), certificates of an authority of the run"


def open_listeners(scenario: Scenario) -> tuple[str, ...]:
    """A warning where a run listens beyond loopback in the clear."""
    host = scenario.coordinator.host
    if scenario.fleet.kind not in LISTENING or not scenario.coordinator.insecure or is_loopback(host):
        return ()
    return (
        f"the run listens on {host} without TLS (coordinator.insecure = true): whoever can read that network reads "
        "weights, batches and answers, and the secret with which to take part; remove insecure, and every port has "
        "mutual TLS",
    )


def _addresses(host: str) -> list[tuple[socket.AddressFamily, Any]]:
    """Family and socket address of every address of ``host``."""
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if ":" in host or bare != host:
        try:
            address: object = ipaddress.ip_address(bare)
        except ValueError:
            address = None
        if not isinstance(address, ipaddress.IPv6Address) or bare == host:
            written = f"; write [{bare}]" if isinstance(address, ipaddress.IPv6Address) else ""
            raise UsageError(
                f"{host!r} is no host{written}: brackets and colons are for IPv6 addresses, such as [::1], and a port "
                f"is not part of it; {ALLOWED}"
            )
    try:
        found = socket.getaddrinfo(bare, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise UsageError(
            f"{host!r} is no address and does not resolve to one ({_reason(error)}); {ALLOWED}"
        ) from None
    return [(family, address) for family, _, _, _, address in found]


def _listen(host: str, addresses: list[tuple[socket.AddressFamily, Any]]) -> None:
    """Listen for a moment at any free port of each address; one that can be had is enough."""
    last: OSError | None = None
    for family, address in addresses:
        try:
            with socket.socket(family, socket.SOCK_STREAM) as tried:
                tried.bind(address)
            return
        except OSError as error:
            last = error
    raise UsageError(f"{host!r} is not this machine's: nothing can listen there ({_reason(last)}); {ALLOWED}")


def _reason(error: BaseException | None) -> str:
    return (getattr(error, "strerror", None) or str(error)) if error is not None else "no address"
