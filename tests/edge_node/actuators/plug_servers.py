"""Plugs as servers of this process, with the answers that their makers document."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from edge_node.meters.sources import http


class SwitchServer(ThreadingHTTPServer):
    """``relays``: whether each is on. ``stuck``: it answers, and switches nothing. ``asked``: paths, in order."""

    def __init__(self, answer: Callable[[SwitchServer, str, dict[str, str]], Any], relays: int = 1) -> None:
        self.relays, self.stuck, self.asked = [True] * relays, False, list[str]()
        served = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                served.asked.append(self.path)
                parts = urlsplit(self.path)
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                found = answer(served, parts.path, query)
                self.send_response(404 if found is None else 200)
                self.end_headers()
                self.wfile.write(json.dumps(found).encode())

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server_port}"

    def turn(self, relay: int, on: bool) -> None:
        if not self.stuck:
            self.relays[relay] = on


def shelly_answer(server: SwitchServer, path: str, query: dict[str, str]) -> Any:
    """Gen2: Shelly.GetDeviceInfo, Switch.Set and Switch.GetStatus of the HTTP channel."""
    if path == "/shelly":
        return {
            "id": "shellyplusplugs-c4",
            "model": "SNPL-00112EU",
            "gen": 2,
            "ver": "1.0.3",
            "app": "PlusPlugS",
        }
    relay = int(query.get("id", 0))
    if relay >= len(server.relays):
        return None
    was = server.relays[relay]
    if path == "/rpc/Switch.Set":
        server.turn(relay, query["on"] == "true")
        return {"was_on": was}
    if path == "/rpc/Switch.GetStatus":
        energy = {"total": 6532.471, "by_minute": [45.199, 47.141, 88.397], "minute_ts": 1626935779}
        return {
            "id": relay,
            "source": "HTTP_in",
            "output": was,
            "apower": 8.9,
            "voltage": 237.5,
            "aenergy": energy,
        }
    return None


def tasmota_answer(server: SwitchServer, path: str, query: dict[str, str]) -> Any:
    """``POWER`` of a device with one relay, ``POWER1`` and so on of one with several."""
    name, _, value = unquote(query["cmnd"]).partition(" ")
    relay = int(name.removeprefix("Power") or 1)
    if path != "/cm" or relay > len(server.relays):
        return {"Command": "Unknown"}
    if value:
        server.turn(relay - 1, value == "ON")
    key = "POWER" if len(server.relays) == 1 else f"POWER{relay}"
    return {key: "ON" if server.relays[relay - 1] else "OFF"}


@contextmanager
def serving(
    answer: Callable[[SwitchServer, str, dict[str, str]], Any], relays: int = 1
) -> Iterator[SwitchServer]:
    server = SwitchServer(answer, relays)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with (
            pytest.MonkeyPatch.context() as patch
        ):  # client and server are one process, which may stand still
            patch.setattr(http, "TIMEOUT_S", 60.0)
            yield server
    finally:
        server.shutdown()
        server.server_close()
