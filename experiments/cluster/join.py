"""A board joins: its key is made here and stays here; the certificate comes for a one-use token."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import ssl
import tempfile
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

from experiments.cluster.authority import fingerprint, key_pem, new_key, signing_request
from experiments.cluster.clock import Clock
from experiments.cluster.tokens import JoinToken
from experiments.errors import UsageError
from protos.access.config import COORDINATOR
from protos.access.files import AUTHORITY, CERTIFICATE, KEY, REVOKED, write_private

TIMEOUT_S = 10.0
_CLOSED = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionResetError, BrokenPipeError)
"""The other end hung up, in a handshake or after it: which proves nothing about it."""
_HOST_AND_PORT = re.compile(r"\[?([A-Za-z0-9.:-]+?)\]?:(\d{1,5})")


def join(address: str, token: JoinToken, folder: Path, clock: Clock | None = None) -> x509.Certificate:
    """Write the node's identity to ``folder`` (replaced where the same node joined before); returns its certificate.

    Args:
        address: HOST:PORT of ``detabed cluster invite``.
        token: As it was printed there.
        folder: For key and certificate.
        clock: Waits until this board has the time; None: not at all.

    Raises UsageError, and then nothing is written: the address is wrong or another's, the token cannot be used, or
    this board's clock is off.
    """
    host, port = host_and_port(address, token.node_id)
    _refuse_another_node(folder, token.node_id)
    try:
        authority, date = _authority(host, port, token)
        # A board has no clock of its own after it was without power: certificates wait until it is set.
        (clock or Clock()).await_agreement(date, lambda: _authority(host, port, token)[1], token.node_id)
        key = new_key()
        answer = _ask_to_join(host, port, authority, token, signing_request(key, token.node_id))
    except _CLOSED as error:
        raise UsageError(
            f"{address} closed the connection before {token.node_id} had joined ({error}): detabed cluster invite does "
            "so with a board that says nothing for some seconds, as a busy one may, and where many call at once; give "
            "this command again, and if that does not help: is the address right? Nothing was written here"
        ) from error
    except ssl.SSLError as error:
        raise UsageError(
            f"{address} cannot prove that it is the coordinator of this token ({error}); is the address right? Nothing "
            f"was written on {token.node_id}"
        ) from error
    except (OSError, http.client.HTTPException) as error:
        raise UsageError(
            f"nothing of ours answers at {address} ({error}): is detabed cluster invite {token.node_id} still running "
            "there, and the address right? A token lasts ten minutes"
        ) from error
    certificate = x509.load_pem_x509_certificate(answer["certificate"].encode())
    _check(certificate, key.public_key(), authority, token.node_id)
    _write(
        folder,
        {
            KEY: key_pem(key),
            CERTIFICATE: answer["certificate"].encode(),
            AUTHORITY: answer["authority"].encode(),
            REVOKED: answer["revoked"].encode(),
        },
    )
    return certificate


def host_and_port(address: str, node_id: str) -> tuple[str, int]:
    """Raises UsageError."""
    found = _HOST_AND_PORT.fullmatch(address)
    if found is None:
        raise UsageError(f"{address!r} is no HOST:PORT; detabed cluster invite {node_id} prints it")
    return found[1], int(found[2])


def node_of(folder: Path) -> str | None:
    """Name in the certificate of ``folder``; None where there is none."""
    try:
        certificate = x509.load_pem_x509_certificate((folder / CERTIFICATE).read_bytes())
    except FileNotFoundError:
        return None
    return _names(certificate)[0]


def _refuse_another_node(folder: Path, node_id: str) -> None:
    known = node_of(folder)
    if known not in (None, node_id):
        raise UsageError(
            f"this board is {known} already ({folder}), and the token is for {node_id}: detabed cluster invite "
            f"{known}, or remove {folder} first"
        )
    if known is None and folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} holds something else; give another --folder, or remove it first")


def _authority(host: str, port: int, token: JoinToken) -> tuple[x509.Certificate, datetime | None]:
    """The authority that answers, if it is the token's, and the time there; the connection proves nothing yet."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    answer, date = _call(
        http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=context), "GET", "/authority"
    )
    try:
        authority = x509.load_pem_x509_certificate(answer["authority"].encode())
    except (KeyError, ValueError) as error:
        raise UsageError(
            f"{host}:{port} is no join port of detabed ({error}); is the address right?"
        ) from error
    if fingerprint(authority) != token.authority:
        raise UsageError(
            f"{host}:{port} has another authority than the token of {token.node_id}: the address is another "
            "cluster's, or somebody is in between. Nothing was sent; compare the address with what detabed cluster "
            "invite printed"
        )
    return authority, date


def _ask_to_join(
    host: str, port: int, authority: x509.Certificate, token: JoinToken, request: bytes
) -> dict[str, str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cadata=authority.public_bytes(Encoding.PEM).decode())
    connection = _Named(host, port, context)
    body = json.dumps({"node_id": token.node_id, "secret": token.secret, "request": request.decode()})
    answer, _ = _call(connection, "POST", "/join", body)
    if missing := {"certificate", "authority", "revoked"} - set(answer):
        raise UsageError(
            f"{host}:{port} answers without {', '.join(sorted(missing))}: is it of another version?"
        )
    return answer


class _Named(http.client.HTTPSConnection):
    """Connection to the coordinator, known by its name in the certificate and not by its address."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext) -> None:
        super().__init__(host, port, timeout=TIMEOUT_S, context=context)
        self._trust = context

    def connect(self) -> None:
        http.client.HTTPConnection.connect(self)
        self.sock = self._trust.wrap_socket(self.sock, server_hostname=COORDINATOR)


def _call(
    connection: http.client.HTTPSConnection, method: str, path: str, body: str | None = None
) -> tuple[dict[str, Any], datetime | None]:
    """Answer and the time of who answers. Raises UsageError with the reason of a refusal."""
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        content, date = response.read(1 << 20), response.headers.get("Date")
    finally:
        connection.close()
    try:
        answer = json.loads(content)
    except ValueError as error:
        raise http.client.HTTPException(f"an answer that is none of ours ({response.status})") from error
    if response.status != 200:
        raise UsageError(str(answer.get("error", f"status {response.status}")))
    return answer, None if date is None else parsedate_to_datetime(date)


def _check(certificate: x509.Certificate, key: Any, authority: x509.Certificate, node_id: str) -> None:
    """What came is for this key and this node, and of the token's authority. Raises UsageError."""
    try:
        certificate.verify_directly_issued_by(authority)
        sound = certificate.public_key() == key and _names(certificate) == [node_id]
    except (ValueError, TypeError, InvalidSignature):
        sound = False
    if not sound:
        raise UsageError(
            f"the certificate that came is not one of {node_id} by the token's authority; invite it again"
        )


def _names(certificate: x509.Certificate) -> list[str]:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return list(names.get_values_for_type(x509.DNSName))


def _write(folder: Path, files: dict[str, bytes]) -> None:
    """The new folder is complete before the old one goes."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))  # mode 0700
    for name, content in files.items():
        write_private(draft / name, content)
    if folder.exists():
        old = draft.with_name(f"{draft.name}-old")
        folder.rename(old)
        draft.rename(folder)
        shutil.rmtree(old)
    else:
        draft.rename(folder)
