"""Whether the coordinator can listen on the host that a scenario names, before anything starts."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

from experiments.errors import UsageError

ALLOWED = (
    "allowed is an address of this machine (127.0.0.1, [::1], 0.0.0.0 for all) or a name that resolves to one"
)


def check_host(host: str, *, listens: bool) -> None:
    """Raises UsageError for a host that is no address and does not resolve; ``listens``: also for one at which this
    machine cannot listen (a fleet in process opens no port)."""
    found = _addresses(host)
    if listens:
        _listen(host, found)


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
