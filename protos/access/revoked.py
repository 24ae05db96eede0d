"""The authority's revocation list (RFC 5280, section 5), read again when its file changes."""

from __future__ import annotations

import logging
from pathlib import Path

from cryptography import x509

log = logging.getLogger(__name__)


class Revocations:
    """Serial numbers of revoked certificates.

    Args:
        path: The list, in PEM.
        authority: Certificate of the authority that must have signed it, in PEM.

    Raises:
        ValueError: it cannot be read, or another authority signed it.
    """

    def __init__(self, path: Path, authority: bytes) -> None:
        self._path = path
        self._authority = x509.load_pem_x509_certificate(authority)
        self._stamp: tuple[int, int, int] | None = None
        self._serials: frozenset[int] = frozenset()
        self._load()

    def holds(self, serial: int) -> bool:
        """Whether the certificate is revoked. A list that has become unreadable holds every certificate."""
        try:
            self._load()
        except ValueError as error:
            log.error("every call is refused: %s", error)
            return True
        return serial in self._serials

    def _load(self) -> None:
        try:
            found = self._path.stat()
            stamp = (found.st_mtime_ns, found.st_ino, found.st_size)
            if stamp == self._stamp:
                return
            revoked = x509.load_pem_x509_crl(self._path.read_bytes())
        except (OSError, ValueError) as error:
            raise ValueError(f"the revocation list {self._path} cannot be read: {error}") from error
        key = self._authority.public_key()
        if revoked.issuer != self._authority.subject or not revoked.is_signature_valid(key):  # type: ignore[arg-type]
            raise ValueError(f"the revocation list {self._path} is not signed by the authority beside it")
        self._serials = frozenset(item.serial_number for item in revoked)
        self._stamp = stamp
