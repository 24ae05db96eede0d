"""A server somewhere: which dialect it speaks, which model it has, and one request to it."""

from __future__ import annotations

import time
import urllib.parse
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from carbon_data.files.http import is_allowed, is_loopback, reason
from experiments.errors import RunError, UsageError
from experiments.probe.answer import BITS_PER_BYTE, Answer
from experiments.probe.dialects import DIALECTS, Dialect

CONNECT_S = 10.0
REFUSALS = (400, 422)
"""Of a request with a wish that the server does not know."""


class ModelServer:
    """Asked one request after the other over one connection.

    Args:
        url: Address, with or without ``/v1``.
        dialect: Name of DIALECTS; None: found by asking.
        model: As the server calls it; None: its only one.
        key: Sent as a bearer token; empty for none.
        insecure: Plain HTTP beyond this machine.
        timeout_s: Longest wait between two pieces of an answer.

    Raises:
        UsageError: an address that is not allowed, no answer there, or a model that it does not have.
    """

    def __init__(
        self,
        url: str,
        *,
        dialect: str | None = None,
        model: str | None = None,
        key: str = "",
        insecure: bool = False,
        timeout_s: float = 300.0,
    ) -> None:
        if not _is_address(url):
            raise UsageError(f"{url!r} is no address of a server; write it like http://127.0.0.1:8080")
        if not (is_allowed(url) or insecure):
            raise UsageError(
                f"{url} is beyond this machine without transport security; use https, a tunnel to 127.0.0.1, or "
                "--insecure in a network of your own"
            )
        self.url = url.rstrip("/").removesuffix("/v1")
        self._timeout_s = timeout_s
        self._session = requests.Session()
        again = Retry(
            1, connect=0, backoff_factor=0.1
        )  # of GET: servers close a connection that they kept open
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=again))
        self._session.trust_env = not is_loopback(url)  # no proxy for this machine
        self._session.auth = lambda request: request  # no password of ~/.netrc
        if key:
            self._session.headers["Authorization"] = f"Bearer {key}"
        self.dialect: Dialect = DIALECTS[dialect] if dialect else self._dialect()
        self.model = self._model(model)
        self.whole = True
        """Whether it takes the wish that an answer is as long as was asked for."""

    def close(self) -> None:
        self._session.close()

    def get(self, path: str) -> tuple[int, Any]:
        """Status and JSON at ``path``; None for what is no JSON. Raises UsageError where nothing answers."""
        try:
            answer = self._session.get(
                self.url + path, timeout=(CONNECT_S, self._timeout_s), allow_redirects=False
            )
        except (requests.RequestException, ValueError) as error:  # ValueError: a name that no host can have
            raise UsageError(
                f"{self.url} gives no answer: {reason(error)}; is the server running, and the address right?"
            ) from error
        try:
            return answer.status_code, answer.json()
        except ValueError:
            return answer.status_code, None

    def _dialect(self) -> Dialect:
        code, told = self.get("/api/version")
        is_ollama = code == 200 and isinstance(told, dict) and "version" in told
        return DIALECTS["ollama" if is_ollama else "openai"]

    def _model(self, wanted: str | None) -> str:
        code, listed = self.get(self.dialect.models_path)
        names = self.dialect.models(listed) if code == 200 and isinstance(listed, dict) else []
        if code in (401, 403):
            raise UsageError(
                f"{self.url} wants a key ({code}); name the variable that has it with --key-variable"
            )
        if wanted is not None:
            if names and wanted not in names:
                raise UsageError(f"{self.url} has no model {wanted!r}; it has {', '.join(names)}")
            return wanted
        if len(names) != 1:
            has = f"it has {', '.join(names)}" if names else f"{self.dialect.models_path} lists none"
            raise UsageError(f"choose a model of {self.url} with --model; {has}")
        return names[0]

    def ask(self, prompt: str, tokens_out: int, fresh: bool = False) -> Answer:
        """One request, streamed. ``fresh``: over a connection of its own; a kept one may have been closed by the server
        meanwhile, and nothing was answered over it then.

        Raises:
            RunError: it is refused, breaks off, or is not what the dialect says.
        """
        body = self.dialect.body(self.model, prompt, tokens_out, self.whole)
        answer = Answer(prompt_bits=BITS_PER_BYTE * len(prompt.encode()))
        if fresh:
            self._session.close()
        begun_s = time.perf_counter()
        try:
            with self._session.post(
                self.url + self.dialect.path,
                json=body,
                stream=True,
                timeout=(CONNECT_S, self._timeout_s),
                allow_redirects=False,
            ) as said:
                if said.status_code in REFUSALS and self.whole:
                    self.whole = False
                    return self.ask(prompt, tokens_out)
                if said.status_code == 404:
                    raise RunError(
                        f"{self.url} has no {self.dialect.path} (404); choose another --dialect of "
                        f"{', '.join(DIALECTS)}"
                    )
                if said.status_code != 200:
                    raise RunError(
                        f"{self.url} answered {said.status_code}: {' '.join(said.text.split())[:300]}"
                    )
                rest = b""
                for piece in said.iter_content(chunk_size=None):
                    now_s = time.perf_counter() - begun_s
                    answer.wire_bytes += len(piece)
                    *lines, rest = (rest + piece).split(b"\n")
                    for line in lines:
                        self.dialect.read(line.decode("utf-8"), now_s, answer)
                self.dialect.read(rest.decode("utf-8"), time.perf_counter() - begun_s, answer)
        except requests.RequestException as error:
            if isinstance(error, requests.ConnectionError) and not (answer.wire_bytes or fresh):
                return self.ask(prompt, tokens_out, fresh=True)
            raise RunError(f"{self.url} broke off in the middle of an answer: {reason(error)}") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RunError(
                f"{self.url} does not answer as {self.dialect.name} does ({type(error).__name__}: {error}); choose "
                f"another --dialect of {', '.join(DIALECTS)}"
            ) from error
        answer.duration_s = time.perf_counter() - begun_s
        return answer


def _is_address(url: str) -> bool:
    try:
        parts = urllib.parse.urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a bracket or a port that is none
        return False
