"""The authority: what it certifies, for whom, and for how long."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from experiments.cluster.authority import Authority, Use, new_key, signing_request
from protos.access.files import KEY, REVOKED, read_identity

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_signed_request_is_certified_for_its_node() -> None:
    authority, key = Authority.make("test", NOW), new_key()
    certificate = authority.sign(signing_request(key, "n7"), "n7", NOW)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [x509.DNSName("n7")]
    assert certificate.public_key() == key.public_key()
    certificate.verify_directly_issued_by(authority.certificate)
    assert certificate.not_valid_before_utc < NOW < certificate.not_valid_after_utc
    uses = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(uses) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}


def test_certificates_stand_before_a_strict_verifier() -> None:
    """The rules of the web's authorities (cryptography.x509.verification), for the time in which they are valid."""
    authority = Authority.make("test", NOW)
    certificate = authority.issue(new_key().public_key(), ("n7",), Use.NODE, NOW, timedelta(days=1))
    store = Store([authority.certificate])

    def at(time: datetime, name: str) -> list[x509.Certificate]:
        verifier = PolicyBuilder().store(store).time(time).build_server_verifier(x509.DNSName(name))
        return verifier.verify(certificate, [])

    assert at(NOW, "n7") == [certificate, authority.certificate]
    for time, name in ((NOW, "n8"), (NOW + timedelta(days=2), "n7"), (NOW - timedelta(days=1), "n7")):
        with pytest.raises(VerificationError):
            at(time, name)


def request(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, name: str) -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def test_other_requests_are_refused() -> None:
    authority, key = Authority.make("test"), new_key()
    weak = rsa.generate_private_key(65537, 1024 + 1024)
    forged = bytearray(x509.load_pem_x509_csr(request(key, "n7")).public_bytes(Encoding.DER))
    forged[-1] ^= 1
    cases = [
        (request(key, "n8"), "n7", r"names \['n8'\], the token is for n7"),
        (request(weak, "n7"), "n7", "allowed is P-256"),
        (request(ec.generate_private_key(ec.SECP384R1()), "n7"), "n7", "allowed is P-256"),
        (b"no request", "n7", "cannot be read"),
        (request(key, "runner"), "runner", "no name of a node"),
        (request(key, "coordinator"), "coordinator", "no name of a node"),
        (
            x509.load_der_x509_csr(bytes(forged)).public_bytes(Encoding.PEM),
            "n7",
            "not signed with its own key",
        ),
    ]
    for content, node_id, why in cases:
        with pytest.raises(ValueError, match=why):
            authority.sign(content, node_id)


def test_an_authority_is_saved_for_its_owner_alone(tmp_path: Path) -> None:
    made = Authority.make("test")
    made.save(tmp_path / "authority")
    assert stat.S_IMODE((tmp_path / "authority").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "authority" / KEY).stat().st_mode) == 0o600
    loaded = Authority.load(tmp_path / "authority")
    assert loaded.fingerprint == made.fingerprint
    loaded.issue(new_key().public_key(), ("n1",), Use.NODE).verify_directly_issued_by(made.certificate)
    with pytest.raises(FileExistsError):
        made.save(tmp_path / "authority")


def test_identities_of_this_machine_have_their_own_keys(tmp_path: Path) -> None:
    authority = Authority.make("test")
    for name in ("one", "two"):
        authority.write_identity(tmp_path / name, (name,), Use.NODE)
    one, two = read_identity(tmp_path / "one"), read_identity(tmp_path / "two")
    assert one.key != two.key
    assert one.authority == two.authority == authority.pem
    assert stat.S_IMODE((tmp_path / "one").stat().st_mode) == 0o700
    assert list(x509.load_pem_x509_crl((tmp_path / "one" / REVOKED).read_bytes())) == []


def test_a_revocation_list_names_each_serial_once() -> None:
    authority = Authority.make("test")
    found = x509.load_pem_x509_crl(authority.revocation_list([5, 3, 5]))
    assert [item.serial_number for item in found] == [3, 5]
    assert found.is_signature_valid(authority.certificate.public_key())
