"""What a live service is: an interface, and what is asked of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Protocol

from carbon_data.files.http import HttpClient, is_allowed
from carbon_data.live.answer import Answer
from carbon_data.live.keys import Keys
from carbon_data.types import DataError, Origin, Scope, Signal


@dataclass(frozen=True, slots=True)
class Asked:
    """One signal of one zone."""

    zone: str
    place: str | None = None
    """The service's own name of the zone; None: by its rule."""
    scope: str | None = None
    """None: the service's default."""
    base_url: str | None = None
    """A mirror instead of the service's own address."""


class LiveService(Protocol):
    """One zone of a service. Nothing is asked before ``fetch``."""

    signal: ClassVar[Signal]
    keys_needed: ClassVar[tuple[str, ...]]
    """Names of its keys."""

    def __init__(self, asked: Asked, keys: Keys, client: HttpClient) -> None:
        """Raises DataError for a zone or a scope that the service does not have."""
        ...

    @property
    def origin(self) -> Origin:
        """Origin of its values, licence included."""
        ...

    @property
    def polls(self) -> str:
        """Addresses that ``fetch`` asks, without keys."""
        ...

    def fetch(self, now: datetime) -> Answer:
        """Ask the service once. Raises ServiceError or DataError."""
        ...


def base_of(asked: Asked, default: str) -> str:
    """Address of the service, without a slash at its end. Raises DataError for one that may not be asked."""
    base = (asked.base_url or default).rstrip("/")
    if not is_allowed(base) or any(mark in base for mark in "@?#"):
        raise DataError(
            f"base_url is {base.split('?')[0].split('@')[-1]!r}; allowed is https://HOST/PATH, or http on 127.0.0.1, "
            "without user, password or query"
        )
    return base


def scope_of(asked: Asked, allowed: Mapping[Scope, str] | tuple[Scope, ...], service: str) -> Scope:
    """The scope asked for; the first allowed one by default. Raises DataError."""
    if asked.scope is None:
        return next(iter(allowed))
    if asked.scope not in tuple(allowed):
        raise DataError(f"scope is {asked.scope!r}; {service} has {' and '.join(allowed)}")
    return Scope(asked.scope)
