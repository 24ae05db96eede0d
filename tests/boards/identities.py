"""Certificates for tests: right ones, and each kind of wrong one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from experiments.cluster.authority import Authority, Use, key_pem, new_key
from protos.access.config import COORDINATOR, RUNNER, Access
from protos.access.files import AUTHORITY, CERTIFICATE, KEY, REVOKED, write_private


class Identities:
    """An authority and the folders of those that it certifies."""

    def __init__(self, folder: Path, name: str = "test") -> None:
        self.folder = folder / name
        self.folder.mkdir()
        self.authority = Authority.make(name)

    def access(
        self,
        names: Iterable[str],
        use: Use,
        *,
        now: datetime | None = None,
        lasts: timedelta = timedelta(days=1),
        trusts: Authority | None = None,
    ) -> Access:
        """A certificate of ``names`` in a new folder. ``trusts``: authority of those it calls, if another."""
        names = tuple(names)
        place = self.folder / f"{'-'.join(names)}-{len(list(self.folder.iterdir()))}"
        place.mkdir(mode=0o700)
        key = new_key()
        certificate = self.authority.issue(key.public_key(), names, use, now, lasts)
        trusted = trusts or self.authority
        write_private(place / KEY, key_pem(key))
        (place / CERTIFICATE).write_bytes(certificate.public_bytes(Encoding.PEM))
        (place / AUTHORITY).write_bytes(trusted.pem)
        (place / REVOKED).write_bytes(trusted.revocation_list(()))
        return Access(certificates=place)

    def node(self, node_id: str) -> Access:
        return self.access((node_id,), Use.NODE)

    def coordinator(self) -> Access:
        return self.access((COORDINATOR,), Use.SERVER)

    def runner(self) -> Access:
        return self.access((RUNNER,), Use.CLIENT)

    def expired(self, node_id: str) -> Access:
        return self.access((node_id,), Use.NODE, now=datetime.now(UTC) - timedelta(days=9))

    def not_yet_valid(self, node_id: str) -> Access:
        return self.access((node_id,), Use.NODE, now=datetime.now(UTC) + timedelta(days=9))


def serial(access: Access) -> int:
    assert access.certificates is not None
    pem = (access.certificates / CERTIFICATE).read_bytes()
    return x509.load_pem_x509_certificate(pem).serial_number


def revoke(identities: Identities, revoked: Access, *, at: Access) -> None:
    """Put the certificate ``revoked`` on the list that the process of ``at`` reads."""
    assert at.certificates is not None
    content = identities.authority.revocation_list([serial(revoked)])
    draft = at.certificates / "draft"
    draft.write_bytes(content)
    draft.replace(at.certificates / REVOKED)
