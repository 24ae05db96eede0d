"""HTTP for data: requests with urllib3's Retry, typed failures, and no token sent to another host.

Only GET is spoken, which is idempotent, so that a repeat is safe. A request fails with one of the errors
below, all of them DataError, never with one of requests.
"""

from __future__ import annotations

import json
import logging
import random
import re
import time
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, InvalidHeader, MaxRetryError, ResponseError
from urllib3.util import Retry

from carbon_data.types import DataError

USER_AGENT = "detabed"
MAX_JSON_BYTES = 32 * 1024 * 1024
RETRIED = frozenset({408, 429, *range(500, 600)})
"""Statuses after which the same request may succeed."""
BASE_WAIT_S = 0.5
LONGEST_WAIT_S = 20.0
LONGEST_RETRY_AFTER_S = 120.0


class ServiceError(DataError):
    """A data service could not be used. ``retry_after_s``: the wait that it asks for; None where it asks for none."""

    retry_after_s: float | None = None


class AuthenticationError(ServiceError):
    """The token is missing, wrong, or not allowed to read this zone (401, 403)."""


class NotFoundError(ServiceError):
    """The service knows no such thing (404)."""


class RateLimitError(ServiceError):
    """Still refused for too many requests (429) after all attempts."""


class ServiceUnavailableError(ServiceError):
    """No answer, a time-out, or a server error (5xx), after all attempts."""


class BadResponseError(ServiceError):
    """An answer that is not what is documented."""


@dataclass(frozen=True)
class HttpClient:
    """GET with time-outs and retries.

    Before retry k it waits a random time in 0..min(LONGEST_WAIT_S, BASE_WAIT_S * 2**k) (full jitter), or what
    the server asks for in Retry-After, up to LONGEST_RETRY_AFTER_S; beyond that it gives up. ``now_s`` is the
    clock by which sources age what they keep.
    """

    timeout_s: float = 10.0
    attempts: int = 5
    now_s: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.timeout_s <= 0:
            raise DataError(
                f"{self.attempts} attempts of {self.timeout_s} s; allowed is at least one of more than 0 s"
            )

    def get_json(self, url: str, headers: Mapping[str, str] | None = None) -> Any:
        """The JSON document at ``url``."""
        body = self.get(url, headers)
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            raise BadResponseError(
                f"{_bare(url)} answered {body[:80]!r}..., which is not JSON: {error}"
            ) from error

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> bytes:
        """The body at ``url``, at most 32 MiB."""
        retries = _Retries(self.attempts - 1, status_forcelist=RETRIED, raise_on_status=False)
        try:
            return self._get(url, headers, retries)
        except (requests.RequestException, HTTPError) as error:
            raise ServiceUnavailableError(
                f"{_bare(url)} gives no answer: {reason(error)} {self._after_all}"
            ) from error

    def _get(self, url: str, headers: Mapping[str, str] | None, retries: Retry) -> bytes:
        with (
            open_session(url, retries) as session,
            session.get(
                url, headers=headers, timeout=self.timeout_s, allow_redirects=False, stream=True
            ) as answer,
        ):
            if not 200 <= answer.status_code < 300:
                raise self._judge(answer)
            try:
                body: bytes = answer.raw.read(MAX_JSON_BYTES + 1, decode_content=True)
            except HTTPError as error:
                # The body broke off: an attempt like any other.
                left = answer.raw.retries.increment("GET", url, error=error)
                left.sleep()
                return self._get(url, headers, left)
        if len(body) > MAX_JSON_BYTES:
            raise BadResponseError(f"{_bare(url)} answered more than {MAX_JSON_BYTES} bytes")
        return body

    @property
    def _after_all(self) -> str:
        return f"(after {self.attempts} attempts; try again later)"

    def _judge(self, answer: requests.Response) -> ServiceError:
        """Error that an HTTP status stands for."""
        code, where, said = answer.status_code, _bare(answer.url), _message(answer)
        if code in (401, 403):
            return AuthenticationError(f"{where} refuses the token ({code}): {said}")
        if code == 404:
            return NotFoundError(f"{where} has no such thing (404): {said}")
        if code not in RETRIED:
            return BadResponseError(f"{where} answered {code}, which is not expected: {said}")
        asked_s = answer.raw.retries.get_retry_after(answer.raw) or 0.0
        last = (
            f"; it asks to wait {asked_s:.0f} s, longer than we do; try again then"
            if asked_s > LONGEST_RETRY_AFTER_S
            else f" {self._after_all}"
        )
        error: ServiceError = (
            RateLimitError(f"{where} says too many requests (429): {said}{last}")
            if code == 429
            else ServiceUnavailableError(f"{where} failed ({code}): {said}{last}")
        )
        error.retry_after_s = asked_s or None
        return error


class _Retries(Retry):
    """urllib3's retries with full jitter; they end when the server asks for a wait that is too long."""

    RETRY_AFTER_STATUS_CODES = frozenset()
    """Only the listed statuses are retried, whether or not they ask to wait."""

    def increment(
        self, method: Any = None, url: Any = None, response: Any = None, *rest: Any, **more: Any
    ) -> Self:
        if response is not None and (self.get_retry_after(response) or 0.0) > LONGEST_RETRY_AFTER_S:
            raise MaxRetryError(more["_pool"], url, ResponseError("asks for a longer wait"))
        return super().increment(method, url, response, *rest, **more)

    def get_retry_after(self, response: Any) -> float | None:
        try:
            return super().get_retry_after(response)
        except (InvalidHeader, ValueError, OverflowError):
            return None  # not readable

    def get_backoff_time(self) -> float:
        return random.uniform(0.0, min(LONGEST_WAIT_S, BASE_WAIT_S * 2.0 ** (len(self.history) - 1)))


class _WithoutQueries(logging.Filter):
    """Log lines without the queries of addresses: urllib3 names the whole address of each retry, and a query may hold
    a key."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = _QUERY.sub("?...", record.getMessage()), ()
        return True


_QUERY = re.compile(r"\?[^\s\"']*=[^\s\"']*")
for _logger in ("urllib3.connectionpool", "urllib3.util.retry"):
    logging.getLogger(_logger).addFilter(_WithoutQueries())


class _Session(requests.Session):
    def rebuild_auth(self, prepared_request: Any, response: Any) -> None:
        """Redirects bring no password of ~/.netrc; ours carry no token."""


def open_session(url: str, retries: Retry | int = 0) -> requests.Session:
    """A session for ``url``: only https, or http on this machine's loopback (tests, mirrors)."""
    if not is_allowed(url):
        raise DataError(f"{_bare(url)} is not allowed: https is, and http on 127.0.0.1 or localhost")
    session = _Session()
    # Bytes as they are: a .gz file stays one, and lengths are those of the file.
    session.headers.update({"User-Agent": USER_AGENT, "Accept-Encoding": "identity"})
    session.auth = lambda request: request  # otherwise requests looks for a password in ~/.netrc
    session.trust_env = not is_loopback(url)  # no proxy for this machine
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(max_retries=retries))
    return session


def is_loopback(url: str) -> bool:
    """Whether ``url`` names this machine."""
    return urllib.parse.urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")


def is_allowed(url: str) -> bool:
    """https anywhere, http on the loopback only: without transport security the sender of data is not authenticated."""
    return url.startswith("https://") or (url.startswith("http://") and is_loopback(url))


def reason(error: Exception) -> str:
    """Cause of ``error``, without the address and its query, which requests repeats."""
    cause = error.args[0] if isinstance(error, requests.RequestException) and error.args else error
    return str(getattr(cause, "reason", cause))


def _bare(url: str) -> str:
    """``url`` without its query, which may hold a key."""
    return url.split("?", 1)[0]


def _message(answer: requests.Response) -> str:
    """What the server said, one short line."""
    try:
        text = answer.raw.read(500, decode_content=True).decode("utf-8", "replace")
    except HTTPError:
        return "(no message)"
    try:
        document = json.loads(text)
    except ValueError:
        return " ".join(text.split())[:200] or "(no message)"
    said = document.get("error", document.get("message", text)) if isinstance(document, dict) else text
    return " ".join(str(said).split())[:200]
