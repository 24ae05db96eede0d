"""One-use join tokens: node, hash of the authority and a secret; the coordinator's machine keeps the secret's hash."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path

from carbon_data.files.whole import whole_file
from experiments.errors import UsageError

LASTS = timedelta(minutes=10)
_TOKEN = re.compile(r"([a-z0-9-]{1,63})\.([0-9a-f]{64})\.([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class JoinToken:
    """What is typed on the board."""

    node_id: str
    authority: str
    """SHA-256 of the authority's certificate, hexadecimal."""
    secret: str

    def __str__(self) -> str:
        return f"{self.node_id}.{self.authority}.{self.secret}"

    @classmethod
    def parse(cls, text: str) -> JoinToken:
        """Raises UsageError."""
        found = _TOKEN.fullmatch(text.strip())
        if found is None:
            raise UsageError(
                "the token is not one that detabed cluster invite prints (NODE.HASH.SECRET); was it cut off? Copy the "
                "whole line, or invite the node again"
            )
        return cls(*found.groups())


class State(Enum):
    """Whether a token can still be used, and if not, why."""

    WAITING = "waiting"
    USED = "used"
    EXPIRED = "expired"


@dataclass(slots=True)
class _Stored:
    node_id: str
    sha256: str
    expires: str
    """Aware UTC time, ISO 8601."""
    used: str = ""
    """When; empty: not yet."""


class Tokens:
    """The tokens of a cluster, in a file. Use under the cluster's lock.

    Args:
        path: The file; may not exist yet.
        clock: Aware UTC time.
    """

    def __init__(self, path: Path, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._path, self._clock = path, clock

    def new(self, node_id: str, authority: str) -> JoinToken:
        """A token for ``node_id``; earlier ones of the node are void."""
        token = JoinToken(node_id, authority, secrets.token_hex(32))
        expires = self._clock() + LASTS
        kept = [stored for stored in self._read() if stored.node_id != node_id]
        self._write([*kept, _Stored(node_id, _hash(token.secret), expires.isoformat())])
        return token

    def spend(self, node_id: str, secret: str) -> None:
        """Use a token. Raises ValueError, naming the node, where it cannot be used (any more)."""
        again = f"for a new one: detabed cluster invite {node_id}"
        stored = self._read()
        for item in stored:
            if item.node_id != node_id or not hmac.compare_digest(item.sha256, _hash(secret)):
                continue
            if item.used:
                raise ValueError(f"the token of {node_id} was used already, at {item.used}; {again}")
            if self._clock() >= datetime.fromisoformat(item.expires):
                raise ValueError(f"the token of {node_id} expired at {item.expires}; {again}")
            item.used = self._clock().isoformat(timespec="seconds")
            self._write(stored)
            return
        raise ValueError(f"no such token of {node_id}; the last invitation counts, {again}")

    def state(self, node_id: str) -> State:
        """Of the node's last token."""
        for item in self._read():
            if item.node_id == node_id:
                over = self._clock() >= datetime.fromisoformat(item.expires)
                return State.USED if item.used else State.EXPIRED if over else State.WAITING
        return State.EXPIRED

    def _read(self) -> list[_Stored]:
        if not self._path.exists():
            return []
        return [_Stored(**item) for item in json.loads(self._path.read_text(encoding="utf-8"))]

    def _write(self, stored: list[_Stored]) -> None:
        with whole_file(self._path) as draft:
            draft.touch(0o600)
            draft.write_text(json.dumps([asdict(item) for item in stored], indent=1), encoding="utf-8")


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
