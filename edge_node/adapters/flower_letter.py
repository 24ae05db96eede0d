"""A Flower message as a letter and back: its head in Flower's protobuf, a table of its arrays, their bytes.

Layout: length of the table (four bytes, big endian), the table in JSON, the head, the arrays' bytes in the order of the
table. Arrays keep Flower's own serialisation (numpy's format, without objects): nothing is unpickled.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from flwr.app import Message

from edge_node.adapters.flower_private import PackedArrays, pack, unpack
from protos.pieces import Buffer

LENGTH_BYTES = 4


def to_letter(message: Message) -> list[Buffer]:
    """Content of a letter; arrays are not copied."""
    head, arrays = pack(message)
    table = {
        "head": len(head),
        "arrays": {
            record: [
                [name, dtype, list(shape), stype, len(data)] for name, dtype, shape, stype, data in packed
            ]
            for record, packed in arrays.items()
        },
    }
    text = json.dumps(table).encode()
    payloads = [data.data for packed in arrays.values() for *_, data in packed]
    return [len(text).to_bytes(LENGTH_BYTES, "big"), text, head, *payloads]


def from_letter(content: Buffer) -> Message:
    """The message again. Raises ValueError for what is none."""
    view = memoryview(content)
    try:
        end = LENGTH_BYTES + int.from_bytes(view[:LENGTH_BYTES], "big")
        table = json.loads(bytes(view[LENGTH_BYTES:end]))
        head, place = view[end : end + table["head"]], end + table["head"]
        arrays: dict[str, PackedArrays] = {}
        for record, rows in table["arrays"].items():
            arrays[record] = []
            for row in rows:
                arrays[record].append(_array(row, view[place : place + row[4]]))
                place += row[4]
        if place != len(view):
            raise ValueError(f"{len(view)} bytes, and its table tells of {place}")
        return unpack(bytes(head), arrays)
    except Exception as error:  # Flower raises kinds of its own and protobuf's for what it cannot read
        raise ValueError(f"no Flower message: {type(error).__name__}: {error}") from error


def _array(row: Any, data: memoryview) -> tuple[str, str, tuple[int, ...], str, Any]:
    name, dtype, shape, stype, length = row
    if not all(isinstance(text, str) for text in (name, dtype, stype)) or len(data) != length:
        raise ValueError(f"array {name!r} has {len(data)} bytes of {length!r}")
    return name, dtype, tuple(int(axis) for axis in shape), stype, np.frombuffer(data, dtype=np.uint8)
