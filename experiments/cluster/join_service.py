"""The port at which boards join: HTTPS with the coordinator's certificate, two requests, open while tokens wait.

It is the one port that boards without a certificate may call. ``GET /authority`` gives the authority's certificate,
which the board compares with its token; ``POST /join`` takes token and signing request.
"""

from __future__ import annotations

import json
import logging
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from experiments.cluster.cluster import Cluster
from protos.access.files import CERTIFICATE, KEY

log = logging.getLogger(__name__)

MOST_BYTES = 16 * 1024
"""Of a request's body: a signing request takes one thousand."""
MOST_CALLERS = 16
"""Served at a time; the next is closed at once."""
PATIENCE_S = 5.0
"""A caller that says nothing for so long is closed."""


class JoinService:
    """Serves from construction on until ``close``; a context manager.

    Raises OSError where host and port cannot be had.
    """

    def __init__(self, cluster: Cluster, host: str, port: int = 0) -> None:
        folder = cluster.coordinator.certificates
        assert folder is not None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(folder / CERTIFICATE, folder / KEY)
        self._server = _Server((host, port), cluster, context)
        self.address = f"[{host}]:{self._server.port}" if ":" in host else f"{host}:{self._server.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, name="join-service", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Returns once a board that was admitted has its certificate: its token is spent."""
        self._server.shutdown()
        self._thread.join()
        with self._server.admitting:
            self._server.server_close()

    def __enter__(self) -> JoinService:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], cluster: Cluster, context: ssl.SSLContext) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.cluster, self._context = cluster, context
        self._places = threading.BoundedSemaphore(MOST_CALLERS)
        self.admitting = threading.Lock()
        """Held from before a token is spent until it is answered."""
        super().__init__(address, _Handler)
        self.port = int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def finish_request(self, request: Any, client_address: Any) -> None:
        """The handshake is made here, in the caller's own thread: one that stalls keeps no other waiting."""
        request.settimeout(PATIENCE_S)
        try:
            with self._context.wrap_socket(request, server_side=True) as secure:
                super().finish_request(secure, client_address)
        except (OSError, ssl.SSLError) as error:
            log.info("a caller at the join port is gone: %s", error)

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.exception("a call at the join port failed")


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = PATIENCE_S
    server_version, sys_version = "detabed", ""

    def do_GET(self) -> None:
        if self.path != "/authority":
            self._answer(404, {"error": "allowed are GET /authority and POST /join"})
            return
        self._answer(200, {"authority": self.server.cluster.authority.pem.decode()})

    def do_POST(self) -> None:
        try:
            asked = self._asked()
            with self.server.admitting:
                self._admit(*asked)
        except ValueError as error:
            log.warning("not admitted: %s", error)
            self._answer(403, {"error": str(error)})

    def _admit(self, node_id: str, secret: str, request: str) -> None:
        """Raises ValueError."""
        admitted = self.server.cluster.admit(node_id, secret, request.encode())
        log.info("%s joined", node_id)
        self._answer(
            200,
            {
                "certificate": admitted.certificate.decode(),
                "authority": admitted.authority.decode(),
                "revoked": admitted.revoked.decode(),
            },
        )

    def _asked(self) -> tuple[str, str, str]:
        """Node, secret and signing request. Raises ValueError."""
        length = self.headers.get("Content-Length", "")
        fits = length.isdecimal() and int(length) <= MOST_BYTES
        # Read before it is judged: an answer to a request that is not read is lost when the connection is closed.
        content = self.rfile.read(int(length)) if fits else b""
        if self.path != "/join" or not fits:
            raise ValueError(f"allowed is POST /join with at most {MOST_BYTES} bytes")
        asked = json.loads(content)
        if not isinstance(asked, dict) or set(asked) != {"node_id", "secret", "request"}:
            raise ValueError("allowed are the keys node_id, secret and request")
        if not all(isinstance(value, str) for value in asked.values()):
            raise ValueError("node_id, secret and request are texts")
        return asked["node_id"], asked["secret"], asked["request"]

    def _answer(self, status: int, content: dict[str, str]) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *arguments: Any) -> None:
        log.info(format, *arguments)
