"""One streamed request: what is counted of an answer, and every way in which none comes."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from edge_node.language.ask import Asker, AskError, GoneError, framing_bytes

TIMINGS = {"cache_n": 3, "prompt_n": 5, "prompt_ms": 40.0, "predicted_n": 2, "predicted_ms": 10.0}
LAST = {"content": "", "stop": True, "timings": TIMINGS}
HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def event(told: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(told).encode() + b"\n\n"


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


@contextmanager
def server(*pieces: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """Answers one request with ``pieces`` and closes; what it was asked is in the list."""
    heard: list[bytes] = []

    def serve(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection:
            data = b""
            while b"\r\n\r\n" not in data:
                data += connection.recv(65_536)
            head, body = data.split(b"\r\n\r\n", 1)
            length = int(next(line for line in head.split(b"\r\n") if b"Length" in line).split(b":")[1])
            while len(body) < length:
                body += connection.recv(65_536)
            heard.append(body)
            for piece in pieces:
                connection.sendall(piece)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,))
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", heard
        thread.join(60)


def answer(*events: dict[str, Any], cut: int = 0) -> Sequence[bytes]:
    """Chunks that do not end where events do."""
    whole = b"".join(event(each) for each in events)
    parts = [whole[at : at + 50] for at in range(0, len(whole), 50)]
    return (HEAD, *(chunk(part) for part in parts[: len(parts) - cut]))


def test_tokens_timings_text_and_bytes_are_those_of_the_answer() -> None:
    pieces = (*answer({"content": "é"}, {"content": "b"}, LAST), b"0\r\n\r\n")
    with server(*pieces) as (url, heard):
        said = Asker(url).ask([7, 8, 9], 2)
    assert json.loads(heard[0])["prompt"] == [7, 8, 9]
    assert (said.cached_tokens, said.prefilled_tokens, said.tokens_out) == (3, 5, 2)
    assert (said.prompt_s, said.predicted_s) == (0.040, 0.010)
    assert said.text_bytes == 3
    assert said.down_bytes == sum(map(len, pieces))
    assert 0 < said.first_s <= said.duration_s


def in_one(told: dict[str, Any]) -> tuple[bytes, bytes]:
    body = json.dumps(told).encode()
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode(), body


def test_in_one_piece_an_answer_has_all_of_its_tokens() -> None:
    pieces = in_one({"content": "\ufffd", "tokens": [21, 22], "timings": TIMINGS})
    with server(*pieces) as (url, heard):
        said = Asker(url).ask_in_one([7, 8, 9], 2, cached=False)
    asked = json.loads(heard[0])
    assert (asked["stream"], asked["cache_prompt"], asked["n_predict"]) == (False, False, 2)
    assert (said.tokens, said.places, said.tokens_out) == ((21, 22), (1, 2), 2)
    assert (said.cached_tokens, said.prefilled_tokens, said.text) == (3, 5, "\ufffd")
    assert said.down_bytes == sum(map(len, pieces))
    assert 0 < said.first_s == said.duration_s


def test_in_one_piece_an_answer_that_lacks_tokens_is_no_answer() -> None:
    pieces = in_one({"content": "a", "tokens": [21], "timings": TIMINGS})
    with server(*pieces) as (url, _), pytest.raises(AskError, match="1 numbers for 2 tokens"):
        Asker(url).ask_in_one([7], 2)


def test_framing_is_a_request_without_its_prompt() -> None:
    with server(*answer(LAST), b"0\r\n\r\n") as (url, heard):
        Asker(url).ask([], 1000)
    assert framing_bytes() - len(heard[0]) == pytest.approx(127, abs=10)  # the head


def test_a_server_that_ends_in_mid_answer_is_gone_and_what_came_is_known() -> None:
    with (
        server(*answer({"content": "a"}, {"content": "b"}, LAST, cut=2)) as (url, _),
        pytest.raises(GoneError, match="mid-answer") as raised,
    ):
        Asker(url).ask([1], 2)
    assert raised.value.tokens_out == 2
    assert raised.value.down_bytes > 0


def test_an_answer_without_an_end_is_none() -> None:
    with server(*answer({"content": "a"}), b"0\r\n\r\n") as (url, _), pytest.raises(GoneError, match="word"):
        Asker(url).ask([1], 2)


def test_a_refusal_says_what_the_server_says() -> None:
    body = json.dumps({"error": {"message": "the request exceeds the available context size"}}).encode()
    head = f"HTTP/1.1 400 Bad Request\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with (
        server(head, body) as (url, _),
        pytest.raises(AskError, match="exceeds the available context") as raised,
    ):
        Asker(url).ask([1], 2)
    assert not isinstance(raised.value, GoneError)


def test_an_answer_in_another_form_is_no_answer() -> None:
    with server(*answer({"text": "a"}), b"0\r\n\r\n") as (url, _), pytest.raises(AskError, match="no answer"):
        Asker(url).ask([1], 2)


def test_nobody_there_and_nobody_speaking_are_gone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with pytest.raises(GoneError, match=r"no byte in 0\.2 s"):
            Asker(url, timeout_s=0.2).ask([1], 2)
    with pytest.raises(GoneError, match="broke off"):
        Asker(url).ask([1], 2)
