"""The page of a run that goes on, on loopback: one HTML file, server-sent events, and /metrics. It only reads."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from experiments.errors import UsageError
from experiments.live.metrics import exposition
from experiments.live.told import told
from experiments.live.watched import Watched

PAGE = Path(__file__).parent / "templates" / "live.html"
HOST = "127.0.0.1"
LOOK_S = 0.25
"""How often the run's folder is looked at."""
SILENCE_S = 10.0
"""After so long without news a comment is sent, which finds out that a browser has gone."""
READERS = 32
"""Most browsers at a time."""
TEXTS = {"json": "application/json", "metrics": "text/plain; version=0.0.4; charset=utf-8"}


class Reader:
    """Looks at a run from time to time, in a thread of its own, and holds what it says now."""

    def __init__(self, watched: Watched) -> None:
        self.watched = watched
        self._error: Exception | None = None
        self._news = threading.Condition()
        self._number = 0
        self._text = self._metrics = b""
        self._over = threading.Event()
        self._look()
        self._thread = threading.Thread(target=self._follow, name="live", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def wait(self) -> None:
        """Until it looks no more; raises the error for which that is so."""
        self._thread.join()
        if self._error is not None:
            raise self._error

    @property
    def text(self) -> bytes:
        """The picture, as JSON."""
        with self._news:
            return self._text

    @property
    def metrics(self) -> bytes:
        with self._news:
            return self._metrics

    def after(self, number: int, wait_s: float) -> tuple[int, bytes]:
        """The picture that follows number ``number``, with its number; the same one where none came in time."""
        with self._news:
            self._news.wait_for(lambda: self._number > number, wait_s)
            return self._number, self._text

    def _follow(self) -> None:
        while not self._over.wait(LOOK_S):
            try:
                self._look()
            except Exception as error:  # raised by ``wait``
                self._error = error
                return

    def _look(self) -> None:
        self.watched.look()
        text = json.dumps(told(self.watched), allow_nan=False, separators=(",", ":")).encode()
        metrics = exposition(self.watched.picture)
        with self._news:
            if text != self._text:
                self._text, self._metrics = text, metrics
                self._number += 1
                self._news.notify_all()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, port: int, reader: Reader) -> None:
        super().__init__((HOST, port), _Handler)
        self.reader = reader
        self.seats = threading.BoundedSemaphore(READERS)
        self.closing = threading.Event()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that hangs up is nobody's fault; anything else is told as it is."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 30.0
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        # A page elsewhere may point its own name at this address: it gets nothing.
        host = self.headers.get("Host", "").rsplit(":", 1)[0]
        if host not in (HOST, "localhost"):
            self.send_error(HTTPStatus.FORBIDDEN, f"ask for {HOST}")
        elif self.path == "/":
            self._send("text/html; charset=utf-8", PAGE.read_bytes())
        elif self.path == "/state.json":
            self._send(TEXTS["json"], self.server.reader.text)
        elif self.path == "/metrics":
            self._send(TEXTS["metrics"], self.server.reader.metrics)
        elif self.path == "/events":
            self._events()
        else:
            self.send_error(HTTPStatus.NOT_FOUND, "there are /, /state.json, /events and /metrics")

    def _send(self, kind: str, content: bytes) -> None:
        self.send_response(HTTPStatus.OK)
        self._headers(kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _headers(self, kind: str) -> None:
        self.send_header("Content-Type", kind)
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header(
            "Content-Security-Policy",
            "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'",
        )

    def _events(self) -> None:
        if not self.server.seats.acquire(blocking=False):
            self.send_error(HTTPStatus.SERVICE_UNAVAILABLE, f"{READERS} pages are open; close one")
            return
        try:
            self.close_connection = True
            self.send_response(HTTPStatus.OK)
            self._headers("text/event-stream")
            self.end_headers()
            number, told_at = 0, time.monotonic()
            while not self.server.closing.is_set():
                newer, text = self.server.reader.after(number, 0.5)
                if newer > number:
                    self.wfile.write(b"data: " + text + b"\n\n")
                elif time.monotonic() - told_at > SILENCE_S:
                    self.wfile.write(b": quiet\n\n")
                else:
                    continue
                number, told_at = newer, time.monotonic()
        except OSError:
            pass  # the browser has gone
        finally:
            self.server.seats.release()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the terminal shows the run."""


@contextmanager
def serving(watched: Watched, port: int) -> Iterator[tuple[str, Reader]]:
    """Serve the page of ``watched`` on loopback; the value is its address and what it reads from.

    ``port``: 0 for any free one. Raises UsageError where the port is taken.
    """
    reader = Reader(watched)
    try:
        server = _Server(port, reader)
    except OSError as error:
        raise UsageError(
            f"port {port} of {HOST} cannot be opened ({error.strerror}); give another --port, or 0 for any free one"
        ) from error
    reader.start()
    thread = threading.Thread(target=server.serve_forever, name="live-page", daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_address[1]}/", reader
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()
        reader.stop()
