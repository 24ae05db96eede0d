"""Deliveries of a slot's work: requests, tokens and bits, by service. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from protos.messages.slot import Usage

COUNTS = ("requests", "tokens_in", "tokens_out", "bits")
"""What (T1) and the functional units count. Tokens are those of tasks that generate."""


@dataclass(frozen=True, slots=True)
class Counted:
    """How an executor's batches count: each batch of an owner once, the rest is waste."""

    executed: int
    wasted: int


def delivered(usage: Usage, counted: Counted, late: bool) -> dict[str, Any]:
    """What a booking counts as delivered, in all and by service: answers of batches that counted elsewhere, or came
    too late, are delivered twice or to no client. They are left out in proportion, as their joules are waste.

    Outside clients' answers belong to no node's batches and count unless the whole reading is late.
    """
    services: dict[str, dict[str, int]] = {}
    total = counted.executed + counted.wasted
    for part in () if late else usage.served:
        own = services.setdefault(part.service, dict.fromkeys(COUNTS, 0))
        for name in COUNTS:
            count = getattr(part, name)
            if part is not usage.outside and counted.wasted:
                count = count * counted.executed // total
            own[name] += count
    return {
        **{name: sum(counts[name] for counts in services.values()) for name in COUNTS},
        "services": [{"service": service, **counts} for service, counts in services.items()],
    }


def delivered_by_service(booking: Mapping[str, Any], usage: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What a booking's document counts as delivered: ``service`` and COUNTS of each service.

    Documents of older versions name no services and counted a class as a token: there a service that read no tokens
    has none, and what its ``usage`` counted is booked in the proportion in which its requests were. Where the usage
    does not say either, as many tokens as requests were classes.
    """
    if "services" in booking:
        return list(booking["services"])
    parts = [part for part in (*usage.get("serving", ()), usage.get("outside")) if part is not None]
    if not parts and any(booking[name] for name in ("requests", "tokens", "bits")):
        generated = booking["tokens"] if booking["tokens"] != booking["requests"] else 0
        told = {"requests": booking["requests"], "bits": booking["bits"]}
        return [{"service": None, **told, "tokens_in": 0, "tokens_out": generated}]
    said = sum(part["requests"] for part in parts)
    found: dict[str, dict[str, int]] = {}
    for part in parts:
        own = found.setdefault(part["service"], dict.fromkeys(COUNTS, 0))
        for name in COUNTS:
            counts = part["tokens_in"] or not name.startswith("tokens")
            own[name] += part[name] * booking["requests"] // said if counts else 0
    return [{"service": service, **counts} for service, counts in found.items()]
