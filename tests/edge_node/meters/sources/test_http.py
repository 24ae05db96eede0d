"""Plugs that answer JSON over HTTP, as a server of this process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from edge_node.meters.sources import http
from edge_node.meters.sources.http import Plug, number, step
from edge_node.meters.sources.source import SourceError


class PlugServer(ThreadingHTTPServer):
    """Answers paths with the texts in ``pages``; others with 404."""

    def __init__(self) -> None:
        pages = self.pages = {}  # type: dict[str, str]

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200 if self.path in pages else 404)
                self.end_headers()
                self.wfile.write(pages.get(self.path, "").encode())

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def plug(monkeypatch: pytest.MonkeyPatch) -> Iterator[PlugServer]:
    monkeypatch.setattr(http, "TIMEOUT_S", 60.0)  # client and server are one process, which may stand still
    server = PlugServer()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_numbers_keep_their_digits(plug: PlugServer) -> None:
    plug.pages["/status"] = '{"a": {"total": 12.340}}'
    found = Plug(plug.address, "shelly").get("/status")
    assert number(found, "a", "total") == Decimal("12.34")
    assert step(number(found, "a", "total")) == Decimal("0.001")


@pytest.mark.parametrize(
    ("page", "reason"),
    [('{"a": null}', "no number"), ("{}", "has no a"), ("[1]", "not with an object"), ("<html>", "no JSON")],
)
def test_an_answer_without_the_number_is_refused(plug: PlugServer, page: str, reason: str) -> None:
    plug.pages["/status"] = page
    with pytest.raises(SourceError, match=reason):
        number(Plug(plug.address, "shelly").get("/status"), "a")


def test_a_plug_that_does_not_answer_is_named(plug: PlugServer) -> None:
    with pytest.raises(SourceError, match="answers 404 to /status"):
        Plug(plug.address, "shelly").get("/status")
    plug.server_close()
    with pytest.raises(SourceError, match="does not answer"):
        Plug("http://127.0.0.1:9", "shelly").get("/status")
    with pytest.raises(SourceError, match="write shelly:http://"):
        Plug("192.168.1.20", "shelly")
