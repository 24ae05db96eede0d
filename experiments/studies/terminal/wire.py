"""Messages between terminal and server: a fixed header and raw bytes, nothing that could be executed.

Request: option and sequence number, payload as the option's codec makes it. Reply: class scores as little-endian
float32. Both ends know every option's form, so that no form travels and every length can be checked.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import torch
from torch import Tensor

from edge_node.splitting.partition import TensorSpec
from experiments.errors import RunError

MAGIC = b"DTB1"
_HEADER = struct.Struct("!4sBHII")
HEADER_BYTES = _HEADER.size
MAX_PAYLOAD_BYTES = 1 << 20
TOKEN_BYTES = 32


class LinkError(RunError):
    """The other end broke the protocol, went away, or was too slow."""


class Kind(IntEnum):
    """What a message is."""

    REQUEST = 1
    REPLY = 2
    RESET = 3
    COUNTS = 4
    ERROR = 5
    BYE = 6
    TIMES = 7


@dataclass(frozen=True, slots=True)
class Message:
    """One message; ``payload`` without header."""

    kind: Kind
    option: int
    sequence: int
    payload: bytes

    def encode(self) -> bytes:
        """Header and payload."""
        return _HEADER.pack(MAGIC, self.kind, self.option, self.sequence, len(self.payload)) + self.payload

    @property
    def num_bytes(self) -> int:
        """On the link, above TCP."""
        return HEADER_BYTES + len(self.payload)


def receive(connection: socket.socket) -> Message:
    """The next message.

    Raises:
        LinkError: the connection ended, timed out, or what came is no message.
    """
    magic, kind, option, sequence, length = _HEADER.unpack(receive_exactly(connection, HEADER_BYTES))
    if magic != MAGIC or kind not in list(Kind):
        raise LinkError(f"not a message: it begins with {magic!r} and kind {kind}; expected {MAGIC!r}")
    if length > MAX_PAYLOAD_BYTES:
        raise LinkError(f"message of {length} bytes; allowed are {MAX_PAYLOAD_BYTES}")
    return Message(Kind(kind), option, sequence, receive_exactly(connection, length))


def receive_exactly(connection: socket.socket, count: int) -> bytes:
    """``count`` bytes. Raises LinkError when they do not come."""
    parts = []
    missing = count
    while missing:
        try:
            part = connection.recv(missing)
        except TimeoutError as error:
            raise LinkError(f"{missing} of {count} bytes did not come in time") from error
        except OSError as error:
            raise LinkError(f"connection failed: {error}") from error
        if not part:
            raise LinkError(f"connection ended with {missing} of {count} bytes missing")
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


_WIRE_TYPES: dict[torch.dtype, np.dtype[Any]] = {
    torch.float32: np.dtype("<f4"),
    torch.uint8: np.dtype("u1"),
    torch.int64: np.dtype("<i8"),
}


def tensors_to_bytes(tensors: tuple[Tensor, ...], specs: tuple[TensorSpec, ...]) -> bytes:
    """Raw values in each tensor's own memory order.

    Raises:
        ValueError: a tensor of another form than its spec, or of a type that cannot travel.
    """
    parts = []
    for tensor, spec in zip(tensors, specs, strict=True):
        if tuple(tensor.shape) != spec.shape or tensor.dtype != spec.dtype:
            raise ValueError(f"tensor is {tensor.dtype} {tuple(tensor.shape)}, the cut has {spec}")
        ordered = tensor.permute(0, 2, 3, 1) if spec.channels_last else tensor
        parts.append(ordered.contiguous().numpy().astype(_wire_type(spec), copy=False).tobytes())
    return b"".join(parts)


def tensors_from_bytes(data: bytes, specs: tuple[TensorSpec, ...]) -> tuple[Tensor, ...]:
    """The inverse of ``tensors_to_bytes``. Raises ValueError for another number of bytes than ``specs`` take."""
    expected = sum(spec.num_bytes for spec in specs)
    if len(data) != expected:
        raise ValueError(f"the cut's tensors take {expected} bytes, got {len(data)}")
    found, offset = [], 0
    for spec in specs:
        shape = spec.shape
        if spec.channels_last:
            shape = (shape[0], shape[2], shape[3], shape[1])
        count = int(np.prod(shape))
        values = np.frombuffer(data, _wire_type(spec), count, offset).reshape(shape)
        tensor = torch.from_numpy(values.astype(values.dtype.newbyteorder("="), copy=True))
        found.append(tensor.permute(0, 3, 1, 2) if spec.channels_last else tensor)
        offset += spec.num_bytes
    return tuple(found)


def _wire_type(spec: TensorSpec) -> np.dtype[Any]:
    try:
        return _WIRE_TYPES[spec.dtype]
    except KeyError:
        raise ValueError(f"tensors of {spec.dtype} cannot travel; allowed are {list(_WIRE_TYPES)}") from None


def scores_to_bytes(logits: Tensor) -> bytes:
    """Class scores (classes,) as a reply's payload."""
    return logits.numpy().astype("<f4").tobytes()


def scores_from_bytes(data: bytes) -> Tensor:
    """Class scores of a reply. Raises LinkError when they are none."""
    if not data or len(data) % 4:
        raise LinkError(f"a reply of {len(data)} bytes; expected float32 scores")
    return torch.from_numpy(np.frombuffer(data, "<f4").astype(np.float32))
