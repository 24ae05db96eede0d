"""Inspection of serialised protobufs without unpacking, so that the memory for unpacking is known beforehand.

Half a million empty tensors fit into a megabyte and unpack to a hundred. Wire format: protobuf.dev, "Encoding".
"""

from __future__ import annotations

NO_DECOMPRESSION = ("grpc.compression_enabled_algorithms_bitset", 1)
"""Option of every gRPC server here, identity only: a compressed megabyte would unpack to a gigabyte before its size is
checked."""

SEVERAL_NODES = "several nodes answer here: "
"""Beginning of the refusal of an Infer request without a node where there are several; their names follow."""
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1")


def proxy_options(address: str) -> tuple[tuple[str, int], ...]:
    """Options of a gRPC channel to ``address`` (host:port): none on this machine goes through ``http_proxy``."""
    host = address.rpartition(":")[0].strip("[]")
    loopback = host in LOOPBACK_NAMES or host.startswith("127.")
    return (("grpc.enable_http_proxy", 0),) if loopback else ()


REDIAL_OPTIONS = (
    ("grpc.keepalive_time_ms", 5_000),
    ("grpc.keepalive_timeout_ms", 3_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 2_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
)
"""Options of a board's channels to the runner's machine: a dead connection is noticed within 8 s, and one attempt to
connect lasts 2 s (gRPC's default of 20 s would outlast the healing of a cut)."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def has_more_fields(data: bytes, most: int) -> bool:
    """Whether ``data`` holds more than ``most`` fields at its top level; stops reading after ``most``.

    Damaged data are counted as far as they can be read; the parser refuses them later.
    """
    position, count = 0, 0
    while position < len(data):
        count += 1
        if count > most:
            return True
        tag, position = _varint(data, position)
        kind = tag & 7
        if kind == _VARINT:
            _, position = _varint(data, position)
        elif kind == _BYTES:
            length, position = _varint(data, position)
            position += length
        elif kind in (_FIXED64, _FIXED32):
            position += 8 if kind == _FIXED64 else 4
        else:
            return False
    return False


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """(value, position after it); the end of the data ends a number, ten bytes end any."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            break
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
    return value, position
