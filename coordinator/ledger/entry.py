"""One line of the journal: a document and its postings, with the arithmetic that makes it trustworthy."""

from __future__ import annotations

import hashlib
import json
import json.encoder
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from json.encoder import encode_basestring_ascii
from typing import Any

from protos.validation import INT64_MAX

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)
_make_encoder = getattr(json.encoder, "c_make_encoder", None)
_encoded_parts = _make_encoder and _make_encoder(
    None, _ENCODER.default, encode_basestring_ascii, None, ":", ",", True, False, False
)
"""The C encoder of ``_ENCODER``, built once: ``encode`` builds one for each value, which takes a quarter of its time.
None where Python has no C encoder."""
_text = encode_basestring_ascii
"""A text as ``canonical_json`` writes it."""
GENESIS = "0" * 64
"""Chain value before the first entry."""


class LedgerError(ValueError):
    """An entry or a ledger file that cannot be used; the text says why and what to do."""


class Unit(StrEnum):
    """Units of postings."""

    MICROJOULES = "uJ"
    PICOGRAMS = "pg"


class Kind(StrEnum):
    """Kinds of entries."""

    START = "start"
    """A coordinator started: epoch raised."""
    REGISTRATION = "registration"
    TELEMETRY = "telemetry"
    SIGNAL = "signal"
    """Live intensities, frozen for a slot before it is decided."""
    CLOCK = "clock"
    """How far a node's monotonic clock is from the coordinator's, and how well that is known."""
    OPENING = "opening"
    ADJUSTMENT = "adjustment"
    DECISION = "decision"
    USAGE = "usage"
    TRADE = "trade"
    """Outcome of every decided transfer: posted or void."""
    SETTLEMENT = "settlement"
    BOOKING = "booking"
    """All postings of one node's slot."""
    GAP = "gap"
    """A node's slot without a reading."""
    SLOT_END = "slot_end"
    FLEET = "fleet"
    """Nodes of a virtual fleet, which are rows: what they register, and what their batteries held."""
    SLOT = "slot"
    """A whole slot of a virtual fleet, by column: decision, trade, bookings and end in one transaction."""
    ALARM = "alarm"


@dataclass(frozen=True, slots=True)
class Posting:
    """``amount`` of ``unit`` into ``account`` (negative: out of it)."""

    account: str
    unit: Unit
    amount: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A document that counts once, by ``key``. ``body`` is JSON-able; no NaN.

    Raises LedgerError when postings do not sum to zero in each unit, or where the file could not hold the entry:
    an entry that exists can be written.
    """

    kind: Kind
    key: str
    body: Mapping[str, Any]
    postings: tuple[Posting, ...] = ()
    slot: int | None = None
    node_id: str = ""
    text: str = field(default="", compare=False)
    """Canonical JSON of ``body``; filled in."""
    data: bytes = field(default=b"", compare=False)
    """Block of columns (coordinator.ledger.columns); its digest is in ``body``."""
    record: Any = field(default=None, compare=False, repr=False)
    """The message of a node that ``body`` was made of, for who takes the entry up; not kept in the file."""
    _digest: list[str] = field(default_factory=list, init=False, compare=False, repr=False)
    """The digest, once it was asked for."""

    def __post_init__(self) -> None:
        if not self.key:
            raise LedgerError(
                f"an entry of kind {self.kind} has no key; every entry needs one, to count once"
            )
        if self.postings:
            _require_balance(self.key, self.postings)
        if self.slot is not None and not 0 <= self.slot <= INT64_MAX:
            raise LedgerError(f"{self.key}: slot is {self.slot}; allowed is 0..2**63-1")
        try:
            "".join((self.key, self.node_id, *(posting.account for posting in self.postings))).encode()
        except UnicodeEncodeError as error:
            raise LedgerError(f"{self.key!a}: a name is no text that a file can hold: {error}") from error
        if not self.text:
            object.__setattr__(self, "text", canonical_json(self.body))

    @property
    def digest(self) -> str:
        """sha256 of the content, hex: two entries of one key are the same exactly when their digests are."""
        if not self._digest:
            found = content_digest(self.kind, self.slot, self.node_id, self.text, self.postings)
            self._digest.append(found)
        return self._digest[0]


def _require_balance(key: str, postings: tuple[Posting, ...]) -> None:
    totals: dict[Unit, int] = defaultdict(int)
    for posting in postings:
        if type(posting.amount) is not int or abs(posting.amount) > INT64_MAX:
            raise LedgerError(
                f"{key}: {posting.account} gets {posting.amount!r}; allowed are integers below 2**63"
            )
        totals[posting.unit] += posting.amount
    for unit, total in totals.items():
        if total != 0:
            raise LedgerError(f"{key}: postings in {unit} sum to {total}, allowed is exactly 0")


def canonical_json(value: Any) -> str:
    """One text per value: sorted keys, no spaces, ASCII. Raises ValueError on NaN or infinity."""
    if _encoded_parts is not None and type(value) is dict:
        return "".join(_encoded_parts(value, 0))
    return _ENCODER.encode(value)


def content_digest(
    kind: str, slot: int | None, node_id: str, text: str, postings: tuple[Posting, ...]
) -> str:
    """sha256, hex, over everything in an entry but its key."""
    rows = [[posting.account, str(posting.unit), posting.amount] for posting in postings]
    return _sha256(
        f"[{_text(str(kind))},{'null' if slot is None else slot},{_text(node_id)},{_text(text)},"
        f"{canonical_json(rows) if rows else '[]'}]"
    )


def chain_hash(previous: str, entry_id: int, key: str, digest: str) -> str:
    """Link of entry ``entry_id``: changes when it, or anything before it, does."""
    return _sha256(f"[{_text(previous)},{entry_id},{_text(key)},{_text(digest)}]")


def _sha256(document: str) -> str:
    return hashlib.sha256(document.encode()).hexdigest()


def merged(postings: list[Posting]) -> tuple[Posting, ...]:
    """Postings with one line per account and unit, sorted, zeros left out."""
    totals: dict[tuple[str, Unit], int] = defaultdict(int)
    for posting in postings:
        totals[posting.account, posting.unit] += posting.amount
    return tuple(
        Posting(account, unit, amount) for (account, unit), amount in sorted(totals.items()) if amount
    )
