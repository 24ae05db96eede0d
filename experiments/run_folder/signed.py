"""A run's books as one signed file (docs/audit.md): a header, a line for each entry, a line with the signature.

Every line is JSON. The authority whose certificate is in the header signs all bytes before the last line.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import itertools
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError

from carbon_data.files.whole import whole_file
from coordinator.ledger import LedgerError, Posting, Row, read_rows, write_rows
from coordinator.ledger.store import format_of
from experiments.run_folder.files import LEDGER, METADATA, SCENARIO

FORMAT = "detabed-signed-ledger-1"
_BEGINS = f'{{"format":"{FORMAT}"'.encode()
_MOST_BYTES = 1 << 28
"""Longest line that is read: a slot of a virtual fleet of a million nodes takes less."""


class Signer(Protocol):
    """Whoever signs: experiments.cluster.authority.Authority."""

    @property
    def pem(self) -> bytes: ...

    @property
    def fingerprint(self) -> str: ...

    def sign_digest(self, digest: bytes) -> bytes: ...


class SignedFileError(ValueError):
    """Not what an authority signed; the text says why."""


class Header(BaseModel):
    """First line."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: str
    run_id: str
    ledger_format: str
    state: str
    """``sound`` or ``incomplete``: what ``ledger verify`` said of the run when it was signed."""
    entries: NonNegativeInt
    head: str
    """Chain value of the last entry."""
    metadata: dict[str, Any] | None
    """``metadata.json``; None: the run has not come to its end."""
    scenario: str | None
    """``scenario.toml``."""
    signed_at: str
    fingerprint: str
    """SHA-256 of the authority's certificate."""
    authority: str
    """Its certificate, in PEM."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What was signed: where the books ended, and their state."""

    run_id: str
    state: str
    entries: int
    head: str


def write_signed(run: Path, file: Path, exported: Exported, signer: Signer) -> None:
    """The books in the run folder ``run`` up to entry ``exported.entries``, in one step: whole or not there."""
    ledger = run / LEDGER
    header = Header(
        format=FORMAT,
        run_id=exported.run_id,
        ledger_format=format_of(ledger).name,
        state=exported.state,
        entries=exported.entries,
        head=exported.head,
        metadata=json.loads(_text(run / METADATA) or "null"),
        scenario=_text(run / SCENARIO),
        signed_at=datetime.now(UTC).isoformat(timespec="seconds"),
        fingerprint=signer.fingerprint,
        authority=signer.pem.decode(),
    )
    digest = hashlib.sha256()
    lines = (_line(_line_of(row)) for row in read_rows(ledger, exported.entries))
    with whole_file(file) as draft, draft.open("wb") as out:
        for line in itertools.chain([_line(header.model_dump())], lines):
            digest.update(line)
            out.write(line)
        out.write(_signature_line(signer.sign_digest(digest.digest())))


def is_signed(path: Path) -> bool:
    """Whether ``path`` begins as a signed file does."""
    with path.open("rb") as file:
        return file.read(len(_BEGINS)) == _BEGINS


def unpack(path: Path, folder: Path) -> Header:
    """Check the signature, then put ledger, metadata and scenario into ``folder`` as a run has them. The chain of the
    entries is checked by who verifies that ledger.

    Raises SignedFileError. Whether the authority is the one that was expected is for the caller to compare.
    """
    header = _checked(path)
    try:
        write_rows(folder / LEDGER, header.run_id, header.ledger_format, _rows(path))
    except (LedgerError, sqlite3.Error, KeyError, TypeError, ValueError) as error:
        raise SignedFileError(f"its entries make no ledger: {type(error).__name__} {error}") from error
    if header.metadata is not None:
        (folder / METADATA).write_text(json.dumps(header.metadata), encoding="utf-8")
    if header.scenario is not None:
        (folder / SCENARIO).write_text(header.scenario, encoding="utf-8")
    return header


def _line_of(row: Row) -> dict[str, Any]:
    """An entry as its line holds it."""
    told = {
        "id": row.id,
        "kind": row.kind,
        "key": row.key,
        "slot": row.slot,
        "node_id": row.node_id,
        "body": row.body,
        "postings": [[p.account, p.unit, p.amount] for p in row.postings],
        "chain": row.chain,
    }
    return {**told, "columns": base64.b64encode(row.block).decode()} if row.block else told


def _row_of(line: bytes) -> Row:
    told = json.loads(line)
    postings = tuple(Posting(*posting) for posting in told.pop("postings"))
    block = base64.b64decode(told.pop("columns", ""), validate=True)
    return Row(**told, postings=postings, block=block)


def _rows(path: Path) -> Iterator[Row]:
    """Of a file whose signature was checked: its last line is no entry."""
    with path.open("rb") as file:
        file.readline()
        for line, _ in itertools.pairwise(file):
            yield _row_of(line)


def _checked(path: Path) -> Header:
    """The header of a file that the authority in it has signed."""
    digest, count = hashlib.sha256(), 0
    with path.open("rb") as file:
        first = line = file.readline(_MOST_BYTES)
        while following := file.readline(_MOST_BYTES):
            digest.update(line)
            line, count = following, count + 1
    try:
        header = Header.model_validate_json(first)
        signature = bytes.fromhex(json.loads(line)["signature"])
        certificate = x509.load_pem_x509_certificate(header.authority.encode())
    except (ValidationError, ValueError, KeyError, TypeError) as error:
        raise SignedFileError(
            f"it was cut short or changed: it lacks a header or ends without a signature ({_brief(error)})"
        ) from error
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or line != _signature_line(signature):
        raise SignedFileError("its signature is not written as an authority writes one")
    with _as_signed_file_error():
        key.verify(signature, digest.digest(), ec.ECDSA(Prehashed(hashes.SHA256())))
    if hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest() != header.fingerprint:
        raise SignedFileError("its fingerprint is not that of the certificate in it")
    if header.entries != count - 1:
        raise SignedFileError(f"it has {count - 1} entries, its header says {header.entries}")
    return header


@contextlib.contextmanager
def _as_signed_file_error() -> Iterator[None]:
    try:
        yield
    except InvalidSignature as error:
        raise SignedFileError("its signature is not of what it holds: it was changed or cut short") from error


def _signature_line(signature: bytes) -> bytes:
    return _line({"signature": signature.hex()})


def _line(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def _brief(error: Exception) -> str:
    return str(error).splitlines()[0]
