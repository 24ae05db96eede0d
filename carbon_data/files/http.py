"""HTTP for data: deadlines, retries with full jitter, typed failures, and no token sent astray.

Standard library only. Only GET is spoken, which is idempotent, so that a repeat is safe. A request fails
with one of the errors below, all of them DataError, never with a bare urllib one.
"""

from __future__ import annotations

import email.utils
import http.client
import json
import random
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from carbon_data.types import DataError

USER_AGENT = "detabed"
MAX_JSON_BYTES = 32 * 1024 * 1024


class ServiceError(DataError):
    """A data service could not be used."""


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


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """urllib would hand our token header to whatever host a redirect names."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


@dataclass(frozen=True)
class HttpClient:
    """GET with time-outs and retries.

    Attempt k waits a random time in 0..min(longest_wait_s, base_wait_s * 2**k) before the next one (full
    jitter), or what the server asks for in Retry-After, up to ``longest_retry_after_s``; beyond that it
    gives up with RateLimitError.
    """

    timeout_s: float = 10.0
    attempts: int = 5
    base_wait_s: float = 0.5
    longest_wait_s: float = 20.0
    longest_retry_after_s: float = 120.0
    sleep: Callable[[float], None] = time.sleep
    now_s: Callable[[], float] = time.time
    jitter: random.Random = field(default_factory=random.Random)

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
        failure: ServiceError | None = None
        for attempt in range(self.attempts):
            try:
                with open_url(url, headers, self.timeout_s, redirects=False) as response:
                    body: bytes = response.read(MAX_JSON_BYTES + 1)
                if len(body) > MAX_JSON_BYTES:
                    raise BadResponseError(f"{_bare(url)} answered more than {MAX_JSON_BYTES} bytes")
                return body
            except urllib.error.HTTPError as error:
                failure, retry_after_s = self._judge(url, error)
                if not isinstance(failure, (RateLimitError, ServiceUnavailableError)):
                    raise failure from None
            except (OSError, http.client.HTTPException) as error:
                retry_after_s = None
                failure = ServiceUnavailableError(
                    f"{_bare(url)} gives no answer: {getattr(error, 'reason', error)!s}"
                )
            if attempt + 1 < self.attempts:
                self.sleep(self._wait_s(attempt, retry_after_s, failure))
        assert failure is not None
        raise type(failure)(f"{failure} (after {self.attempts} attempts; try again later)")

    def _wait_s(self, attempt: int, retry_after_s: float | None, failure: ServiceError) -> float:
        if retry_after_s is None:
            return self.jitter.uniform(0.0, min(self.longest_wait_s, self.base_wait_s * 2.0**attempt))
        if retry_after_s > self.longest_retry_after_s:
            raise type(failure)(
                f"{failure}; it asks to wait {retry_after_s:.0f} s, longer than we do; try again then"
            )
        return retry_after_s

    def _judge(self, url: str, error: urllib.error.HTTPError) -> tuple[ServiceError, float | None]:
        """What an HTTP status means, and how long the server asks to wait."""
        with error:
            said = _message(error)
        code, where = error.code, _bare(url)
        if code in (401, 403):
            return AuthenticationError(f"{where} refuses the token ({code}): {said}"), None
        if code == 404:
            return NotFoundError(f"{where} has no such thing (404): {said}"), None
        retry_after_s = self._retry_after_s(error.headers.get("Retry-After"))
        if code == 429:
            return RateLimitError(f"{where} says too many requests (429): {said}"), retry_after_s
        if code >= 500 or code == 408:
            return ServiceUnavailableError(f"{where} failed ({code}): {said}"), retry_after_s
        return BadResponseError(f"{where} answered {code}, which is not expected: {said}"), None

    def _retry_after_s(self, header: str | None) -> float | None:
        """Seconds of a Retry-After header, given as seconds or as an HTTP date; None when not readable."""
        if header is None:
            return None
        if header.strip().isdigit():
            return float(header)
        try:
            return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - self.now_s())
        except (TypeError, ValueError):
            return None


def open_url(
    url: str, headers: Mapping[str, str] | None, timeout_s: float, *, redirects: bool
) -> AbstractContextManager[http.client.HTTPResponse]:
    """Open ``url`` for reading; only https, or http on this machine's loopback (tests, mirrors)."""
    if not is_allowed(url):
        raise DataError(f"{_bare(url)} is not allowed: https is, and http on 127.0.0.1 or localhost")
    handlers: list[urllib.request.BaseHandler] = [] if redirects else [_NoRedirect()]
    if is_loopback(url):
        handlers.append(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, headers={"User-Agent": USER_AGENT, **(headers or {})})
    opener = urllib.request.build_opener(*handlers)
    response: AbstractContextManager[http.client.HTTPResponse] = opener.open(request, timeout=timeout_s)
    return response


def is_loopback(url: str) -> bool:
    """Whether ``url`` names this machine."""
    return urllib.parse.urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")


def is_allowed(url: str) -> bool:
    """https anywhere, http on the loopback only: data without transport security could be anybody's."""
    return url.startswith("https://") or (url.startswith("http://") and is_loopback(url))


def _bare(url: str) -> str:
    """``url`` without its query, which may hold a key."""
    return url.split("?", 1)[0]


def _message(error: urllib.error.HTTPError) -> str:
    """What the server said, one short line."""
    try:
        text = error.read(500).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        return "(no message)"
    try:
        document = json.loads(text)
    except ValueError:
        return " ".join(text.split())[:200] or "(no message)"
    said = document.get("error", document.get("message", text)) if isinstance(document, dict) else text
    return " ".join(str(said).split())[:200]
