"""One request to a language server on this machine, streamed: what it says, when, and in how many bytes.

Over a socket, without an HTTP library: every byte is counted as it travels, framing apart from the text, and reading
64 events takes about a millisecond.
"""

from __future__ import annotations

import json
import socket
import time
import urllib.parse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

TIMEOUT_S = 900.0
"""Longest wait for the next byte: a prompt as long as the default context, at the two or three tokens a second that a
slow board reads with a large model. A server that dies is noticed at once, by its connection."""
HEAD = (
    "POST /completion HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
    "Content-Length: {length}\r\nConnection: close\r\n\r\n"
)
END = b"\r\n"


class AskError(RuntimeError):
    """A request was not answered. ``tokens_out``: tokens that had come."""

    def __init__(self, reason: str, tokens_out: int = 0, down_bytes: int = 0) -> None:
        self.tokens_out, self.down_bytes = tokens_out, down_bytes
        super().__init__(reason)


class GoneError(AskError):
    """The server's process has ended, or its connection broke off."""


@dataclass(frozen=True, slots=True)
class Said:
    """An answer. Times in wall seconds from the request, and the server's own timings."""

    cached_tokens: int
    prefilled_tokens: int
    tokens_out: int
    prompt_s: float
    predicted_s: float
    first_s: float
    duration_s: float
    text_bytes: int
    down_bytes: int
    text: str = ""
    tokens: tuple[int, ...] = ()
    """Numbers of the tokens that the stream told, where they were asked for: it has no event for a token that ends
    within a character (untold)."""
    places: tuple[int, ...] = ()
    """Of each of ``tokens``, its place in the answer, from 1."""


def body_of(
    tokens: Sequence[int],
    answer_tokens: int,
    *,
    cached: bool = True,
    with_tokens: bool = False,
    slot: int = 0,
) -> dict[str, Any]:
    """The request: greedy, exactly ``answer_tokens`` tokens. ``cached``: what the server's ``slot`` has read before
    counts. ``with_tokens``: the answer has the numbers of its tokens, too."""
    more = {"return_tokens": True} if with_tokens else {}
    return {
        "prompt": list(tokens),
        "n_predict": answer_tokens,
        "temperature": 0,
        "ignore_eos": True,
        "stream": True,
        "cache_prompt": cached,
        "id_slot": slot,
        **more,
    }


def framing_bytes(host: str = "127.0.0.1:00000") -> int:
    """Bytes of a request beside its prompt: head and body."""
    body = json.dumps(body_of((), 1000))
    return len(HEAD.format(host=host, length=100_000)) + len(body)


class Asker:
    """Asks the server at ``url``, one request after the other, each over a connection of its own: the server closes
    those that it kept, and an end of the server could not be told from that."""

    def __init__(self, url: str, timeout_s: float = TIMEOUT_S) -> None:
        place = urllib.parse.urlsplit(url)
        self._address, self._timeout_s = (str(place.hostname), int(place.port or 80)), timeout_s
        self._socket: socket.socket | None = None
        self._rest = b""
        self._heard, self._begun_s = _Heard(), 0.0

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def ask(
        self, tokens: Sequence[int], answer_tokens: int, *, cached: bool = True, with_tokens: bool = False
    ) -> Said:
        """As ``body_of`` has it. Raises GoneError where the server is or goes away, AskError where it refuses."""
        self.begin(tokens, answer_tokens, cached=cached, with_tokens=with_tokens)
        return self.finish()

    def ask_in_one(self, tokens: Sequence[int], answer_tokens: int, *, cached: bool = True) -> Said:
        """As ``ask``, answered in one piece at the end: with the numbers of all tokens, also of those that end within a
        character. Raises as ``ask``."""
        self._send(body_of(tokens, answer_tokens, cached=cached, with_tokens=True) | {"stream": False})
        heard = self._heard
        with self._hearing(heard):
            code, head = self._head(heard)
            body = b"".join(self._chunks(head, heard))
            if code != 200:
                raise AskError(f"the server refused ({code}): {_reason(body)}")
            told = json.loads(body)
            numbers = tuple(int(each) for each in told["tokens"])
            said = _said(told["timings"], told["content"], numbers, tuple(range(1, len(numbers) + 1)))
            if len(numbers) != said.tokens_out:
                raise ValueError(f"{len(numbers)} numbers for {said.tokens_out} tokens")
            duration_s = time.perf_counter() - self._begun_s
            return replace(said, first_s=duration_s, duration_s=duration_s, down_bytes=heard.bytes)

    def begin(
        self,
        tokens: Sequence[int],
        answer_tokens: int,
        *,
        cached: bool = True,
        with_tokens: bool = False,
        slot: int = 0,
    ) -> None:
        """Send the request; the server works on it from now on. Raises GoneError."""
        self._send(body_of(tokens, answer_tokens, cached=cached, with_tokens=with_tokens, slot=slot))

    def finish(self) -> Said:
        """The answer to what ``begin`` asked. Raises as ``ask``."""
        with self._hearing(self._heard):
            return self._listen(self._heard, self._begun_s)

    # --- parts -----------------------------------------------------------------------------------------------

    def _send(self, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        host = f"{self._address[0]}:{self._address[1]}"
        self._heard, self._begun_s = _Heard(), time.perf_counter()
        try:
            self._connected().sendall(HEAD.format(host=host, length=len(data)).encode() + data)
        except OSError as error:
            self.close()
            raise self._gone(error) from error

    @contextmanager
    def _hearing(self, heard: _Heard) -> Iterator[None]:
        """Turns what goes wrong while the server is listened to into AskError and GoneError."""
        try:
            yield
        except OSError as error:
            raise self._gone(error) from error
        except (ValueError, KeyError, TypeError) as error:
            raise AskError(
                f"the server said what is no answer: {type(error).__name__}: {error}",
                heard.tokens,
                heard.bytes,
            ) from error
        finally:
            self.close()

    def _gone(self, error: OSError) -> GoneError:
        why = f"no byte in {self._timeout_s:g} s" if isinstance(error, TimeoutError) else str(error)
        return GoneError(f"the server broke off: {why}", self._heard.tokens, self._heard.bytes)

    def _connected(self) -> socket.socket:
        self._socket = socket.create_connection(self._address, self._timeout_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""
        return self._socket

    def _listen(self, heard: _Heard, begun_s: float) -> Said:
        code, head = self._head(heard)
        if code != 200:
            refusal = b"".join(self._chunks(head, heard))
            raise AskError(f"the server refused ({code}): {_reason(refusal)}")
        first_s: float | None = None
        text, numbers, places, last = "", list[int](), list[int](), None
        rest = b""
        for chunk in self._chunks(head, heard):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                if not line.startswith(b"data: "):
                    continue
                told = json.loads(line[6:])
                if "error" in told:
                    raise AskError(f"the server gave up: {_reason(line[6:])}", heard.tokens, heard.bytes)
                text += told["content"]
                if more := told.get("tokens"):
                    numbers += more
                    end = int(told["tokens_predicted"])
                    places += range(end - len(more) + 1, end + 1)
                if told.get("stop"):
                    last = told
                else:
                    heard.tokens += 1
                    first_s = time.perf_counter() - begun_s if first_s is None else first_s
        duration_s = time.perf_counter() - begun_s
        if last is None:
            raise GoneError("the server ended its answer without a word", heard.tokens, heard.bytes)
        said = _said(last["timings"], text, tuple(numbers), tuple(places))
        first_s = duration_s if first_s is None else first_s
        return replace(said, first_s=first_s, duration_s=duration_s, down_bytes=heard.bytes)

    def _head(self, heard: _Heard) -> tuple[int, dict[str, str]]:
        """(status, header fields)."""
        while b"\r\n\r\n" not in self._rest:
            self._more(heard)
        head, self._rest = self._rest.split(b"\r\n\r\n", 1)
        first, *fields = head.decode("latin-1").split("\r\n")
        pairs = (field.partition(":") for field in fields)
        return int(first.split(" ")[1]), {name.lower(): value.strip() for name, _, value in pairs}

    def _chunks(self, head: dict[str, str], heard: _Heard) -> Iterator[bytes]:
        """The body, piece by piece, without HTTP's own framing."""
        if "chunked" not in head.get("transfer-encoding", ""):
            yield self._exactly(int(head["content-length"]), heard)
            return
        while size := int(self._line(heard), 16):
            yield self._exactly(size, heard)
            self._exactly(2, heard)
        while self._line(heard):
            pass  # trailers

    def _line(self, heard: _Heard) -> bytes:
        while END not in self._rest:
            self._more(heard)
        line, self._rest = self._rest.split(END, 1)
        return line

    def _exactly(self, size: int, heard: _Heard) -> bytes:
        while len(self._rest) < size:
            self._more(heard)
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece

    def _more(self, heard: _Heard) -> None:
        assert self._socket is not None  # it was connected
        piece = self._socket.recv(65_536)
        if not piece:
            raise ConnectionResetError("it closed the connection in mid-answer")
        heard.bytes += len(piece)
        self._rest += piece


@dataclass(slots=True)
class _Heard:
    """So far of one answer."""

    bytes: int = 0
    tokens: int = 0


def _said(timings: dict[str, Any], text: str, tokens: tuple[int, ...], places: tuple[int, ...]) -> Said:
    """By the server's own timings; the times and bytes that were noticed here are not in it."""
    return Said(
        cached_tokens=int(timings["cache_n"]),
        prefilled_tokens=int(timings["prompt_n"]),
        tokens_out=int(timings["predicted_n"]),
        prompt_s=timings["prompt_ms"] / 1e3,
        predicted_s=timings["predicted_ms"] / 1e3,
        first_s=0.0,
        duration_s=0.0,
        text_bytes=len(text.encode()),
        down_bytes=0,
        text=text,
        tokens=tokens,
        places=places,
    )


def _reason(text: bytes) -> str:
    try:
        told = json.loads(text)
        return str(told["error"]["message"])[:300]
    except (ValueError, KeyError, TypeError):
        return " ".join(text.decode("utf-8", "replace").split())[:300]
