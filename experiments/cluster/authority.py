"""The authority of a cluster, or of one run: certifies who may call whom (X.509 after RFC 5280, keys on P-256)."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from carbon_data.files.whole import whole_file
from protos.access.config import COORDINATOR, RUNNER
from protos.access.files import AUTHORITY, CERTIFICATE, KEY, REVOKED, read_private, write_private

AUTHORITY_LASTS, CERTIFICATE_LASTS = timedelta(days=3650), timedelta(days=365)
CLOCKS_DIFFER = timedelta(minutes=5)
"""Certificates are valid so long before they are made: clocks of boards differ."""
_CURVE = ec.SECP256R1()


class Use(Enum):
    """What a certificate is for: to answer calls, to make them, or both."""

    SERVER = (ExtendedKeyUsageOID.SERVER_AUTH,)
    CLIENT = (ExtendedKeyUsageOID.CLIENT_AUTH,)
    NODE = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)


class Authority:
    """Key and certificate of an authority."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self._key, self.certificate = key, certificate

    @classmethod
    def make(cls, name: str, now: datetime | None = None) -> Authority:
        """A new one, in memory."""
        key, now = ec.generate_private_key(_CURVE), now or datetime.now(UTC)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"detabed {name}"[:64])])
        builder = _builder(subject, subject, key.public_key(), now, AUTHORITY_LASTS)
        usage = _usage(signs_certificates=True)
        certificate = (
            builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(key, hashes.SHA256())
        )
        return cls(key, certificate)

    @classmethod
    def load(cls, folder: Path) -> Authority:
        """The one that ``save`` wrote. Raises ValueError."""
        key = load_pem_private_key(read_private(folder / KEY), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return cls(key, x509.load_pem_x509_certificate((folder / AUTHORITY).read_bytes()))

    def save(self, folder: Path) -> None:
        """Key, certificate and an empty revocation list, in a folder that only its owner may read."""
        folder.mkdir(mode=0o700)
        write_private(folder / KEY, key_pem(self._key))
        (folder / AUTHORITY).write_bytes(self.pem)
        (folder / REVOKED).write_bytes(self.revocation_list(()))

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, hexadecimal."""
        return fingerprint(self.certificate)

    def issue(
        self,
        public_key: ec.EllipticCurvePublicKey,
        names: Iterable[str],
        use: Use,
        now: datetime | None = None,
        lasts: timedelta = CERTIFICATE_LASTS,
    ) -> x509.Certificate:
        """A certificate whose subject alternative names are ``names``; those that are IP addresses, which Ray compares,
        stand there as such."""
        names, now = tuple(names), now or datetime.now(UTC)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        builder = _builder(subject, self.certificate.subject, public_key, now, lasts)
        issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return (
            builder.add_extension(
                x509.SubjectAlternativeName([_alternative(name) for name in names]), critical=False
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(use.value), critical=False)
            .add_extension(issuer_key, critical=False)
            .sign(self._key, hashes.SHA256())
        )

    def sign_digest(self, digest: bytes) -> bytes:
        """Signature (ECDSA, DER) of a document by its SHA-256. The document must not begin as a certificate does, with
        the byte 0x30: no signature of one kind then stands for the other."""
        return self._key.sign(digest, ec.ECDSA(Prehashed(hashes.SHA256())))

    def sign(self, request: bytes, node_id: str, now: datetime | None = None) -> x509.Certificate:
        """The certificate of ``node_id`` for the key of a signing request (see ``check_request``)."""
        return self.issue(check_request(request, node_id), (node_id,), Use.NODE, now)

    def revocation_list(self, serials: Iterable[int], now: datetime | None = None) -> bytes:
        """The list of these serial numbers, in PEM."""
        now = now or datetime.now(UTC)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(now - CLOCKS_DIFFER)
            .next_update(now + AUTHORITY_LASTS)
        )
        for serial in sorted(set(serials)):
            revoked = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now).build()
            builder = builder.add_revoked_certificate(revoked)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)

    def write_identity(self, folder: Path, names: Iterable[str], use: Use) -> None:
        """A new key with its certificate, as protos.access.files reads it; for processes of this machine."""
        key = new_key()
        folder.mkdir(mode=0o700)
        write_private(folder / KEY, key_pem(key))
        (folder / CERTIFICATE).write_bytes(
            self.issue(key.public_key(), names, use).public_bytes(Encoding.PEM)
        )
        (folder / AUTHORITY).write_bytes(self.pem)
        (folder / REVOKED).write_bytes(self.revocation_list(()))


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(_CURVE)


def signing_request(key: ec.EllipticCurvePrivateKey, node_id: str) -> bytes:
    """What a board sends instead of its key, in PEM."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, node_id)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def check_request(request: bytes, node_id: str) -> ec.EllipticCurvePublicKey:
    """Key of a signing request. Raises ValueError unless its maker holds the key, on P-256, and names ``node_id``."""
    if node_id in (COORDINATOR, RUNNER):
        raise ValueError(f"{node_id} is no name of a node")
    try:
        parsed = x509.load_pem_x509_csr(request)
        holds_key = parsed.is_signature_valid
        key = parsed.public_key()
    except ValueError as error:
        raise ValueError(f"the signing request cannot be read: {error}") from error
    if not holds_key:
        raise ValueError("the signing request is not signed with its own key")
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != _CURVE.name:
        raise ValueError("the signing request has a key of another kind; allowed is P-256")
    named = [item.value for item in parsed.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if named != [node_id]:
        raise ValueError(f"the signing request names {named}, the token is for {node_id}")
    return key


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256, hexadecimal."""
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def replace(path: Path, content: bytes) -> None:
    """Another content in one step: who reads the file meanwhile gets the old or the new one."""
    with whole_file(path) as draft:
        draft.write_bytes(content)


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    now: datetime,
    lasts: timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCKS_DIFFER)
        .not_valid_after(now + lasts)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,  # of an authority: it signs the books of runs too
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
