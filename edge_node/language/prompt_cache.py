"""Prefill here, decode there: the cache of a prompt that one server has read, taken to another of the same model.

Between two servers that differ a restored cache silently gives nothing (another build, kind of cache or number of
slots), and a slot that holds nothing is saved without a word: both are refused here, by what the servers say of
themselves and by the counts they return.

The server that read the prompt also gives the answer's first token, and the other one goes on after it. Without it the
other one would have to compute the prompt's last token again, alone: 10 of 16 greedy answers were then the same.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import requests

from edge_node.language.server import LanguageServer

FILE = "prompt.cache"
TIMEOUT_S = 60.0


class CacheError(RuntimeError):
    """A prompt's cache could not be taken or put; the prompt is read again where it is needed."""


@dataclass(frozen=True, slots=True)
class Kin:
    """What two servers must have in common."""

    model_sha256: str
    build: str
    slots: int
    adapter_sha256: str = ""
    """Empty: the model is served as it is."""


@dataclass(frozen=True, slots=True)
class PromptCache:
    """Of one slot."""

    kin: Kin
    tokens: int
    content: bytes
    sha256: str


def kin_name(kin: Kin) -> str:
    """A short text, the same for two servers exactly where their ``Kin`` is."""
    return hashlib.sha256(repr(kin).encode()).hexdigest()[:16]


def kin_of(server: LanguageServer) -> Kin:
    adapter = "" if server.adapter is None else server.adapter.sha256
    return Kin(server.model.sha256, server.build, server.settings.slots, adapter)


def take(server: LanguageServer, slot: int = 0) -> PromptCache:
    """The cache of what ``slot`` has read.

    Raises:
        CacheError: it has read nothing, or the server does not give it.
    """
    told = _asked(server, slot, "save")
    path = server.cache_folder / FILE
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CacheError(f"the cache of slot {slot} cannot be read: {error}") from error
    finally:
        path.unlink(missing_ok=True)
    tokens = told.get("n_saved")
    if not isinstance(tokens, int) or tokens < 1 or told.get("n_written") != len(content):
        raise CacheError(
            f"slot {slot} of {server.url} gave {tokens} tokens and {told.get('n_written')} bytes of cache, "
            f"{len(content)} bytes came: nothing is shipped"
        )
    return PromptCache(kin_of(server), tokens, content, hashlib.sha256(content).hexdigest())


def put(server: LanguageServer, cache: PromptCache, slot: int = 0) -> None:
    """Make ``slot`` as if it had read the prompt itself.

    Raises:
        CacheError: another model, build or number of slots, content that changed on its way, or a server that took
            fewer tokens than there are.
    """
    own = kin_of(server)
    if cache.kin != own:
        raise CacheError(f"the cache is of {cache.kin}, this server is {own}: it would silently give nothing")
    if hashlib.sha256(cache.content).hexdigest() != cache.sha256:
        raise CacheError(
            f"the cache of {cache.tokens} tokens changed on its way ({len(cache.content)} bytes came)"
        )
    path = server.cache_folder / FILE
    try:
        path.write_bytes(cache.content)
        told = _asked(server, slot, "restore")
    except OSError as error:
        raise CacheError(f"the cache of slot {slot} cannot be written: {error}") from error
    finally:
        path.unlink(missing_ok=True)
    if (told.get("n_restored"), told.get("n_read")) != (cache.tokens, len(cache.content)):
        raise CacheError(
            f"slot {slot} of {server.url} took {told.get('n_restored')} of {cache.tokens} tokens: read the prompt again"
        )


def _asked(server: LanguageServer, slot: int, what: str) -> dict[str, Any]:
    try:
        answer = requests.post(
            f"{server.url}/slots/{slot}",
            params={"action": what},
            json={"filename": FILE},
            timeout=TIMEOUT_S,
            proxies={"http": ""},  # it is on this machine
        )
    except requests.RequestException as error:
        raise CacheError(f"the server of {server.model.name} gives no answer to {what}: {error}") from error
    if answer.status_code != 200:
        raise CacheError(f"slot {slot} of {server.url} cannot {what}: {' '.join(answer.text.split())[:200]}")
    try:
        told = answer.json()
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise CacheError(f"{server.url} says {answer.text[:200]!r} to {what}, which is no object of JSON")
    return told
