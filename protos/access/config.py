"""How the ports of a process know their callers, as a configuration of paths: no key or secret travels in it."""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path

from pydantic import BaseModel, ConfigDict, model_validator

COORDINATOR, RUNNER = "coordinator", "runner"
"""Names of certificates; no node is called so."""


class Access(BaseModel):
    """Certificates (mutual TLS), or the secret of a run, or neither: then loopback only, open to this machine."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    certificates: Path | None = None
    """Folder of this process's certificate, see files.py. Every port demands one of the same authority."""
    secret_file: Path | None = None
    """File with the run's secret, which every call carries in its metadata."""
    insecure: bool = False
    """Ports may listen beyond loopback without certificates."""

    @model_validator(mode="after")
    def _one_of_them(self) -> Access:
        if self.certificates is not None and self.secret_file is not None:
            raise ValueError(
                "certificates and secret_file are given; give certificates beyond loopback, secret_file on loopback"
            )
        return self


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a port on ``host``, an address or a name that resolves to some."""
    bare = host.removeprefix("[").removesuffix("]")
    try:
        found = socket.getaddrinfo(bare, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        return False
    return all(ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback for *_, address in found)


def refuse_open_port(host: str, access: Access) -> None:
    """Raises ValueError for a host that other machines can reach, without certificates and without leave."""
    if access.certificates is None and not access.insecure and not is_loopback(host):
        raise ValueError(
            f"{host} can be reached from other machines, and this process has no certificates: give "
            'access.certificates (a folder that "detabed node join" writes), listen on 127.0.0.1, or allow plaintext '
            "with insecure = true"
        )
