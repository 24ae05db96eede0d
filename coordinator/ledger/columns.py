"""Columns of an entry: what many nodes did in a slot, as one block of bytes whose digest is in the document.

A block is a line of JSON (name, type and shape of every column), then the columns' bytes, little-endian, each in the
smallest type that holds it; the whole is compressed. Read, every column of whole numbers is int64 again. Losses are
float32, NaN where a node has none.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coordinator.ledger.entry import Entry, Kind, LedgerError, Posting

Columns = Mapping[str, NDArray[Any]]
_LEVEL = 1
_TYPES = ("i1", "<i2", "<i4", "<i8")
_KEPT = {"|b1": "?", "<f4": "<f4"}
"""Types that are stored as they are."""


def column_entry(
    kind: Kind,
    key: str,
    body: Mapping[str, Any],
    columns: Columns,
    postings: tuple[Posting, ...] = (),
    slot: int | None = None,
) -> Entry:
    """An entry with ``columns``; its document has their digest. Raises LedgerError for other than whole numbers, flags
    and float32."""
    data = pack(columns)
    told = {"columns": list(columns), "sha256": hashlib.sha256(data).hexdigest()}
    return Entry(kind, key, {**body, "block": told}, postings, slot, data=data)


def pack(columns: Columns) -> bytes:
    """One block."""
    head, parts = [], []
    for name, column in columns.items():
        kind = _KEPT.get(column.dtype.str) or _smallest(name, column)
        head.append([name, kind, list(column.shape)])
        parts.append(np.ascontiguousarray(column.astype(kind)).tobytes())
    return zlib.compress(b"".join([json.dumps(head).encode() + b"\n", *parts]), _LEVEL)


def unpack(data: bytes) -> dict[str, NDArray[Any]]:
    """The columns of a block. Raises LedgerError for bytes that are none."""
    try:
        plain = zlib.decompress(data)
        line, _, rest = plain.partition(b"\n")
        found, at = {}, 0
        for name, kind, shape in json.loads(line):
            count = int(np.prod(shape, dtype=np.int64))
            column = np.frombuffer(rest, dtype=kind, count=count, offset=at).reshape(shape)
            at += column.nbytes
            found[name] = column if column.dtype.str in _KEPT else column.astype(np.int64)
    except (zlib.error, ValueError, TypeError) as error:
        raise LedgerError(f"a block of columns cannot be read: {error}") from error
    return found


def block_is_whole(body: Mapping[str, Any], data: bytes) -> bool:
    """Whether ``data`` is the block that a document was written with."""
    return bool(body["block"]["sha256"] == hashlib.sha256(data).hexdigest())


def _smallest(name: str, column: NDArray[Any]) -> str:
    if column.dtype.kind not in "iu":
        raise LedgerError(f"column {name} is of {column.dtype}; allowed are whole numbers, flags and float32")
    low, high = (int(column.min()), int(column.max())) if column.size else (0, 0)
    return next(kind for kind in _TYPES if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max)
