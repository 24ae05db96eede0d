"""Rules of message fields: for single values and across fields. Pure; the codec applies them in both directions.

A field's rule follows from its name (``node_id``, ``..._fraction``) or type; exceptions are in ``_RULES``.
"""

from __future__ import annotations

import math
import operator
import re
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from protos.latency import LAST_BIN
from protos.messages import inference, market, parcels, slot

MAX_STREAM_BYTES = 256 * 1024
"""Largest message on an Attend stream."""
MAX_PARCEL_BYTES = 64 * 1024 * 1024
"""Largest parcel, all tensors together."""
MAX_REPLY_BYTES = 64 * 1024 * 1024
"""Largest message between runner and coordinator (a plan of a large fleet)."""
MAX_INFER_BYTES = 256 * 1024
"""Largest message on an Infer stream: 334 images of 28 x 28; more examples need further requests on the stream."""
MAX_INFER_FIELDS = 32
"""Most fields of a message on an Infer stream (each tensor is one): checked before anything is unpacked."""
MAX_ITEMS = 1_000_000
"""Longest list in a message; byte limits bind earlier in practice."""
MAX_TEXT = 4096
MAX_AXES = 8
INT64_MAX = 2**63 - 1

DTYPE_BYTES: Mapping[str, int] = types.MappingProxyType(
    {
        "bool": 1,
        "uint8": 1,
        "int8": 1,
        "uint16": 2,
        "int16": 2,
        "int32": 4,
        "int64": 8,
        "float16": 2,
        "float32": 4,
        "float64": 8,
    }
)
"""Element types that may travel (little endian), with bytes per element. Object arrays are not among them."""


class ProtocolError(ValueError):
    """A message violates the contract: the field, its value and the allowed values."""

    def __init__(self, field: str, got: object, allowed: str) -> None:
        self.field, self.got, self.allowed = field, got, allowed
        shown = repr(got)
        super().__init__(
            f"{field} is {shown if len(shown) <= 120 else shown[:117] + '...'}; allowed is {allowed}"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return (ProtocolError, (self.field, self.got, self.allowed))


def safe_text(text: object, limit: int = 500) -> str:
    """``text`` (e.g. of an error) as a field may carry it: printable, at most ``limit`` characters."""
    shown = "".join(c if c.isprintable() or c in "\n\t" else "?" for c in str(text))
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."


# --- rules of single values: (field, value) -> value, or ProtocolError ----------------------------------

Check = Callable[[str, Any], Any]


def _number(low: float | None, high: float | None) -> Check:
    allowed = (
        "a finite number"
        + ("" if low is None else f" >= {low:g}")
        + ("" if high is None else f" <= {high:g}")
    )

    def check(field: str, value: Any) -> float:
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            raise ProtocolError(field, value, allowed) from None
        if (
            not math.isfinite(number)
            or (low is not None and number < low)
            or (high is not None and number > high)
        ):
            raise ProtocolError(field, value, allowed)
        return number

    return check


def _integer(field: str, value: Any) -> int:
    try:
        number = value if type(value) is int else int(operator.index(value))
    except TypeError:
        raise ProtocolError(field, value, "an integer") from None
    if not 0 <= number <= INT64_MAX:
        raise ProtocolError(field, number, "an integer in 0..2^63-1")
    return number


_ONLY_INT = {int}


def _integers(field: str, values: Sequence[Any]) -> tuple[int, ...]:
    """``_integer`` of each, at once where all are right."""
    found = tuple(values[:])  # a slice of protobuf's list is faster than a walk
    if set(map(type, found)) == _ONLY_INT and min(found) >= 0 and max(found) <= INT64_MAX:
        return found
    return tuple([_integer(field, value) for value in found])


def _boolean(field: str, value: Any) -> bool:
    if value is not True and value is not False:
        raise ProtocolError(field, value, "true or false")
    return value


def _pattern(pattern: str, allowed: str, empty: bool = False) -> Check:
    match = re.compile(pattern, re.ASCII).fullmatch

    def check(field: str, value: Any) -> str:
        if not isinstance(value, str) or not (match(value) or (empty and value == "")):
            raise ProtocolError(field, value, allowed + (" or empty" if empty else ""))
        return value

    return check


def text(field: str, value: Any) -> str:
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise ProtocolError(field, value, f"text of at most {MAX_TEXT} characters")
    if not value.isprintable() and not all(c.isprintable() or c in "\n\t" for c in value):
        raise ProtocolError(field, value, "printable text")
    return value


def _octets(field: str, value: Any) -> bytes:
    if not isinstance(value, bytes) or len(value) > MAX_PARCEL_BYTES:
        raise ProtocolError(field, type(value).__name__, f"at most {MAX_PARCEL_BYTES} bytes")
    return value


_id_pattern = r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}"
_id_allowed = "1..64 of A-Z a-z 0-9 . _ : -, starting with a letter or digit"
_identifier = _pattern(_id_pattern, _id_allowed)
_fraction = _number(0.0, 1.0)
_quantity = _number(0.0, None)
_dtype = _pattern("|".join(DTYPE_BYTES), "one of " + ", ".join(DTYPE_BYTES))

_RULES: dict[str, Check] = {
    # By field name; "Class.field" goes before. Fields not named here: by type, or by the ending of the name.
    **dict.fromkeys(
        (
            "node_id",
            "run_id",
            "boot_id",
            "executor",
            "owner",
            "peer",
            "zone",
            "meter",
            "code",
            "lost_nodes",
            "nodes",
            "live_nodes",
            "settled_nodes",
            "missing_nodes",
            "name",
            "request_id",
            "kin",
            "awaits",
        ),
        _identifier,
    ),
    **dict.fromkeys(
        ("address", "peer_address", "infer_address"),
        _pattern(r"[A-Za-z0-9._:\[\]-]{1,255}:[0-9]{1,5}", "host:port", empty=True),
    ),
    "sha256": _pattern(r"[0-9a-f]{64}", "a sha256 in 64 hexadecimal digits"),
    "data_digest": _pattern(r"[0-9a-f]{64}", "a sha256 in 64 hexadecimal digits"),
    "dtype": _dtype,
    "gap_fraction": _quantity,  # a gap is relative to the bound and may exceed 1
    "mean_loss": _number(None, None),
    "trades": _number(None, None),
    "mean_trades": _number(None, None),
    "scarcity": _fraction,
    "relaxation": _number(1.0, 2.0),
    **dict.fromkeys(("rho_factor", "unit_j", "unit_batches", "unit_g_per_j", "rho"), _number(1e-300, None)),
    "ReportQuery.node_id": _pattern(_id_pattern, _id_allowed, empty=True),
    "InferRequest.node_id": _pattern(_id_pattern, _id_allowed, empty=True),
}
_BY_TYPE: dict[type, Check] = {int: _integer, float: _quantity, bool: _boolean, str: text, bytes: _octets}


_MANY: dict[Check, Callable[[str, Sequence[Any]], tuple[Any, ...]]] = {_integer: _integers}


def many(check: Check) -> Callable[[str, Sequence[Any]], tuple[Any, ...]]:
    """A rule for each of several values."""
    return _MANY.get(check) or (lambda field, values: tuple([check(field, value) for value in values]))


def rule(owner: str, name: str, kind: type) -> Check:
    if (chosen := _RULES.get(f"{owner}.{name}") or _RULES.get(name)) is not None:
        return chosen
    return _fraction if name.endswith("_fraction") else _BY_TYPE[kind]


# --- rules across fields ----------------------------------------------------------------------------------


def _check_tensor(tensor: parcels.Tensor) -> None:
    if not 1 <= len(tensor.shape) <= MAX_AXES:
        raise ProtocolError("Tensor.shape", tensor.shape, f"1..{MAX_AXES} axes")
    expected = math.prod(tensor.shape) * DTYPE_BYTES[tensor.dtype]  # Python integers do not overflow
    if expected != len(tensor.data):
        raise ProtocolError(
            "Tensor.data",
            f"{len(tensor.data)} bytes",
            f"{expected} bytes for {tensor.dtype} of shape {tensor.shape}",
        )


def _check_parcel(parcel: parcels.Parcel) -> None:
    ids, sizes = parcel.batch_ids, parcel.batch_sizes
    if not ids or len(set(ids)) != len(ids):
        raise ProtocolError("Parcel.batch_ids", ids, "at least one batch, each once")
    if len(sizes) != len(ids) or 0 in sizes:
        raise ProtocolError("Parcel.batch_sizes", sizes, f"{len(ids)} positive sizes, one per batch")
    names = [tensor.name for tensor in parcel.tensors]
    if not names or len(set(names)) != len(names):
        raise ProtocolError("Parcel.tensors", names, "at least one tensor, each name once")
    services = parcel.batch_services or (0,) * len(ids)
    if len(services) != len(ids):
        raise ProtocolError("Parcel.batch_services", services, f"none, or {len(ids)}, one per batch")
    examples: dict[int, int] = {}
    for service, size in zip(services, sizes, strict=True):
        examples[service] = examples.get(service, 0) + size
    for tensor in parcel.tensors:
        expected = examples.get(parcels.service_of_tensor(tensor.name), 0)
        if tensor.shape[0] != expected:
            raise ProtocolError(
                f"Parcel.tensors[{tensor.name}].shape",
                tensor.shape,
                f"{expected} along axis 0 (sum of its service's batch_sizes)",
            )
    places = [(prompt.batch_id, prompt.place) for prompt in parcel.prompts]
    sizes_of = dict(zip(ids, sizes, strict=True))
    if len(set(places)) != len(places) or any(place >= sizes_of.get(batch, 0) for batch, place in places):
        raise ProtocolError("Parcel.prompts", places, "requests of the parcel's batches, each once")
    if (total := parcels.payload_bytes(parcel)) > MAX_PARCEL_BYTES:
        raise ProtocolError("Parcel.tensors", f"{total} bytes", f"at most {MAX_PARCEL_BYTES} bytes")
    if parcel.owner == parcel.executor:
        raise ProtocolError("Parcel.executor", parcel.executor, "another node than the owner")


def _check_serving(serving: slot.Serving) -> None:
    bins, counts = serving.latency_bins, serving.latency_counts
    if list(bins) != sorted(set(bins)) or (bins and bins[-1] > LAST_BIN):
        raise ProtocolError("Serving.latency_bins", bins, f"ascending numbers of 0..{LAST_BIN}")
    if len(counts) != len(bins) or 0 in counts or sum(counts) > serving.requests:
        raise ProtocolError(
            "Serving.latency_counts",
            counts,
            f"{len(bins)} positive counts, one per bin, {serving.requests} requests in all",
        )
    if serving.deadline_misses > serving.requests:
        raise ProtocolError(
            "Serving.deadline_misses", serving.deadline_misses, f"at most {serving.requests}, the requests"
        )


def _check_offers(offers: market.Offers) -> None:
    for quote in offers.quotes:
        if quote.quantity <= 0 or (quote.good is market.Good.WORK and quote.quantity % 1):
            raise ProtocolError("Quote.quantity", quote.quantity, "more than 0; whole batches of work")
    if offers.quotes and offers.trades:
        raise ProtocolError("Offers.trades", len(offers.trades), "either quotes or trades")


def _check_terms(terms: market.MarketTerms) -> None:
    slots = len(terms.intensity_g_per_kwh)
    if not slots:
        raise ProtocolError("MarketTerms.intensity_g_per_kwh", (), "at least the slot itself")
    for name in ("bytes_per_batch", "offloadable", "scarcity"):
        values = getattr(terms, name)
        if len(values) != slots and (values or name != "scarcity"):
            raise ProtocolError(f"MarketTerms.{name}", f"{len(values)} values", f"{slots}, one a slot")


def _check_examples(where: str, tensors: tuple[parcels.Tensor, ...]) -> None:
    names = [tensor.name for tensor in tensors]
    if not names or len(set(names)) != len(names):
        raise ProtocolError(f"{where}.tensors", names, "at least one tensor, each name once")
    if tensors[0].shape[0] == 0 or len({tensor.shape[0] for tensor in tensors}) != 1:
        shapes = [tensor.shape for tensor in tensors]
        raise ProtocolError(f"{where}.tensors", shapes, "the same positive number of examples along axis 0")


ACROSS: dict[type, Callable[[Any], None]] = {
    parcels.Tensor: _check_tensor,
    parcels.Parcel: _check_parcel,
    slot.Serving: _check_serving,
    market.Offers: _check_offers,
    market.MarketTerms: _check_terms,
    inference.InferRequest: lambda request: _check_examples("InferRequest", request.tensors),
    inference.InferAnswer: lambda answer: _check_examples("InferAnswer", answer.tensors),
}
