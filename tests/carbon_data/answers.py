"""A server on the loopback that replays documented answers."""

from __future__ import annotations

import contextlib
import json
import threading
import urllib.parse
from collections.abc import Callable
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HOUR = timedelta(hours=1)
Answer = tuple[int, dict[str, str], bytes]


def entry(zone: str, moment: datetime, **changes: Any) -> dict[str, Any]:
    """One entry as in the documentation and in electricitymaps-contrib issue 6351."""
    return {
        "zone": zone,
        "carbonIntensity": 300 + moment.hour + moment.day,
        "datetime": moment.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "updatedAt": "2023-12-20T22:15:38.617Z",
        "createdAt": "2023-07-10T00:52:37.667Z",
        "emissionFactorType": "lifecycle",
        "isEstimated": False,
        "estimationMethod": None,
    } | changes


class Service:
    """A stand-in for the real host: keeps the requests it got, answers what the test wants first, then as
    documented.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], dict[str, str]]] = []
        self.first: list[Answer] = []
        self.change: Callable[[dict[str, Any], datetime], dict[str, Any] | None] = lambda item, moment: item
        self.zone_said: str | None = None
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                url = urllib.parse.urlsplit(self.path)
                query = dict(urllib.parse.parse_qsl(url.query))
                service.requests.append((url.path, query, {k.lower(): v for k, v in self.headers.items()}))
                status, headers, body = (
                    service.first.pop(0) if service.first else service.answer(url.path, query)
                )
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if "Content-Length" not in headers:
                    self.send_header("Content-Length", str(len(body)))
                with contextlib.suppress(ConnectionError):
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v3"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, path: str, query: dict[str, str]) -> Answer:
        if path == "/v3/zones":
            return (
                200,
                {},
                json.dumps({"DE": {"zoneName": "Germany"}, "SE-SE3": {"zoneName": "Stockholm"}}).encode(),
            )
        if path.startswith("/v3/intensity/"):
            first, last = (datetime.fromisoformat(part) for part in path.split("/")[-2:])
            halves = [first + index * HOUR / 2 for index in range((last - first) // (HOUR / 2))]
            data = [
                {
                    "from": half.strftime("%Y-%m-%dT%H:%MZ"),
                    "to": (half + HOUR / 2).strftime("%Y-%m-%dT%H:%MZ"),
                    "intensity": self.change(
                        {"forecast": 1, "actual": 200 + half.hour, "index": "low"}, half
                    ),
                }
                for half in halves
            ]
            return 200, {}, json.dumps({"data": data}).encode()
        if query["zone"] not in ("DE", "SE-SE3"):
            return 404, {}, b'{"error":"Zone does not exist"}'
        begin, end = datetime.fromisoformat(query["start"]), datetime.fromisoformat(query["end"])
        moments = [begin + index * HOUR for index in range((end - begin) // HOUR)]
        data = [self.change(entry(query["zone"], moment), moment) for moment in moments]
        said = self.zone_said or query["zone"]
        return (
            200,
            {},
            json.dumps({"zone": said, "data": [item for item in data if item is not None]}).encode(),
        )
