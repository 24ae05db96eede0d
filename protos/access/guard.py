"""Server side: where ports listen, and who calls."""

from __future__ import annotations

import functools
import hmac
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
from cryptography import x509

from protos.access.config import Access, refuse_open_port
from protos.access.files import REVOKED, read_identity, read_private
from protos.access.revoked import Revocations

log = logging.getLogger(__name__)

SECRET_HEADER = "detabed-run-secret"
"""Metadata of every call on loopback."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever calls, as far as the port knows."""

    names: frozenset[str] | None = None
    """Names in its certificate; None: the port has no certificates, and callers name themselves."""
    is_revoked: Callable[[], bool] = field(default=lambda: False, compare=False)

    def may_be(self, name: str) -> bool:
        """Whether the caller may speak for ``name``."""
        return self.names is None or name in self.names

    def __str__(self) -> str:
        return "a caller without certificate" if self.names is None else ", ".join(sorted(self.names))


class Guard:
    """Ports of a process and their callers.

    Raises ValueError for certificates or a secret that cannot be used.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self._credentials: grpc.ServerCredentials | None = None
        self._secret = b""
        self._revoked: Revocations | None = None
        if access.certificates is not None:
            own = read_identity(access.certificates)
            self._revoked = Revocations(access.certificates / REVOKED, own.authority)
            self._credentials = grpc.ssl_server_credentials(
                [(own.key, own.certificate)], own.authority, require_client_auth=True
            )
        elif access.secret_file is not None:
            self._secret = read_private(access.secret_file).strip()

    def listen(self, server: grpc.aio.Server, host: str, port: int) -> str:
        """Bind a port of ``server``, 0 for any free one; returns host:port.

        Raises:
            ValueError: other machines could reach it, without certificates.
            OSError: the address cannot be had.
        """
        refuse_open_port(host, self._access)
        bare = host.removeprefix("[").removesuffix("]")
        shown = f"[{bare}]" if ":" in bare else bare
        try:
            if self._credentials is None:
                bound = server.add_insecure_port(f"{shown}:{port}")
            else:
                bound = server.add_secure_port(f"{shown}:{port}", self._credentials)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {shown}:{port}: {error}") from error
        if bound == 0:
            raise OSError(f"cannot listen on {shown}:{port}")
        return f"{shown}:{bound}"

    async def caller(self, context: Any) -> Caller:
        """Who calls. Ends the call as UNAUTHENTICATED where that is not known, or the certificate is revoked."""
        if self._secret and not self._knows_secret(context):
            await context.abort(
                grpc.StatusCode.UNAUTHENTICATED,
                "the call carries no secret of this run, or another's: its folder has it while it lasts",
            )
        if self._revoked is None:
            return Caller()
        # Always there: the handshake demands a certificate.
        names, serial = _names_and_serial(next(iter(context.auth_context()["x509_pem_cert"])))
        revoked = functools.partial(self._revoked.holds, serial)
        if revoked():
            log.warning("refused: the certificate of %s is revoked", ", ".join(sorted(names)))
            await context.abort(
                grpc.StatusCode.UNAUTHENTICATED,
                f"the certificate of {', '.join(sorted(names))} is revoked; invite the node again",
            )
        return Caller(names, revoked)

    async def require(self, context: Any, name: str, caller: Caller | None = None) -> None:
        """End the call as PERMISSION_DENIED unless it comes from ``name``."""
        caller = await self.caller(context) if caller is None else caller
        if not caller.may_be(name):
            log.warning("refused: a call of %s that only %s may make", caller, name)
            await context.abort(
                grpc.StatusCode.PERMISSION_DENIED,
                f"only {name} may call this; the certificate is of {caller}",
            )

    def _knows_secret(self, context: Any) -> bool:
        said = dict(context.invocation_metadata() or ()).get(SECRET_HEADER, "")
        return hmac.compare_digest(said.encode() if isinstance(said, str) else said, self._secret)


@functools.lru_cache(maxsize=1024)
def _names_and_serial(pem: bytes) -> tuple[frozenset[str], int]:
    certificate = x509.load_pem_x509_certificate(pem)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset(), certificate.serial_number
    return frozenset(names.get_values_for_type(x509.DNSName)), certificate.serial_number
