"""A server on the loopback that replays the documented answers of the live services, for the present time."""

from __future__ import annotations

import contextlib
import json
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HOUR = timedelta(hours=1)
Said = tuple[int, dict[str, str], bytes]
KEYS = {
    "ELECTRICITYMAPS_TOKEN": "em-secret-4711",
    "EIA_API_KEY": "eia/secret+0815",
    "WATTTIME_USER": "someone",
    "WATTTIME_PASSWORD": "wt-secret-1234",
}
TOKEN = "wt-token-5678"
FUELS = {"COL": 100, "NG": 300, "NUC": 200, "SUN": 150, "WAT": 50, "WND": 150, "OTH": 50, "BAT": -20}


class Replayed:
    """Answers as documented; a test may change them, or put others first. Keeps what it was asked."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.now = now
        self.asked: list[tuple[str, dict[str, str], dict[str, str]]] = []
        self.first: list[Said] = []
        self.always: Said | None = None
        self.delay_s = 0.0
        self.change: Callable[[Any], Any] = lambda document: document
        """What a test makes of a document before it is sent."""
        self.level = 0.0
        """Added to every value, g/kWh."""
        self.lag = timedelta(0)
        """How late observations are."""
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                url = urllib.parse.urlsplit(self.path)
                query = dict(urllib.parse.parse_qsl(url.query))
                service.asked.append((url.path, query, {k.lower(): v for k, v in self.headers.items()}))
                time.sleep(service.delay_s)
                status, headers, body = service._said(url.path, query, dict(self.headers))
                with contextlib.suppress(ConnectionError):
                    self.send_response(status)
                    for name, value in {**headers, "Content-Length": str(len(body))}.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _said(self, path: str, query: dict[str, str], headers: dict[str, str]) -> Said:
        if self.first:
            return self.first.pop(0)
        if self.always is not None:
            return self.always
        if not self._may_read(path, query, headers):
            return 401, {}, b'{"error":"invalid or missing key"}'
        return 200, {}, json.dumps(self.change(self._document(path, query))).encode()

    def _may_read(self, path: str, query: dict[str, str], headers: dict[str, str]) -> bool:
        if path.startswith("/carbon-intensity/"):
            return headers.get("auth-token") == KEYS["ELECTRICITYMAPS_TOKEN"]
        if path.startswith("/v2/"):
            return query.get("api_key") == KEYS["EIA_API_KEY"]
        if path.startswith("/v3/"):
            return headers.get("Authorization") == f"Bearer {TOKEN}"
        return True

    def _document(self, path: str, query: dict[str, str]) -> Any:
        if path.startswith("/intensity/"):
            return {"data": list(self._half_hours(*path.split("/")[-2:]))}
        if path == "/carbon-intensity/history":
            return {"zone": query["zone"], "history": list(self._hours(query, -23, 1))}
        if path == "/carbon-intensity/forecast":
            issued = (self._hour() - HOUR / 4).isoformat()
            return {"zone": query["zone"], "forecast": list(self._hours(query, 0, 25)), "updatedAt": issued}
        if path == "/login":
            return {"token": TOKEN}
        if path == "/v3/forecast":
            return self._moer(query)
        return {"response": {"total": 1, "frequency": "hourly", "data": list(self._fuels(query))}}

    def _hour(self) -> datetime:
        return self.now().replace(minute=0, second=0, microsecond=0)

    def _half_hours(self, first: str, last: str) -> Iterator[dict[str, Any]]:
        half, end = datetime.fromisoformat(first), datetime.fromisoformat(last)
        while half < end:
            metered = half + HOUR / 2 <= self.now() - self.lag
            told = {"forecast": 150 + half.hour + self.level, "index": "low"}
            told["actual"] = 160 + half.hour + self.level if metered else None
            yield {
                "from": f"{half:%Y-%m-%dT%H:%MZ}",
                "to": f"{half + HOUR / 2:%Y-%m-%dT%H:%MZ}",
                "intensity": told,
            }
            half += HOUR / 2

    def _hours(self, query: dict[str, str], first: int, last: int) -> Iterator[dict[str, Any]]:
        for ahead in range(first, last):
            hour = self._hour() + ahead * HOUR
            if first < 0 and hour > self.now() - self.lag:
                continue
            yield {
                "zone": query["zone"],
                "carbonIntensity": 300 + hour.hour + self.level,
                "datetime": f"{hour:%Y-%m-%dT%H:%M:%S.000Z}",
                "updatedAt": f"{self._hour():%Y-%m-%dT%H:%M:%S.000Z}",
                "emissionFactorType": query["emissionFactorType"],
                "isEstimated": ahead == 0,
                "estimationMethod": "TIME_SLICER_AVERAGE" if ahead == 0 else None,
            }

    def _fuels(self, query: dict[str, str]) -> Iterator[dict[str, Any]]:
        end = self._hour() - HOUR
        while end >= datetime.fromisoformat(query["start"] + ":00Z"):
            for fuel, value in FUELS.items():
                yield {
                    "period": f"{end:%Y-%m-%dT%H}",
                    "respondent": query["facets[respondent][]"],
                    "respondent-name": "some operator",
                    "fueltype": fuel,
                    "type-name": fuel.title(),
                    "value": str(value + (self.level if fuel == "COL" else 0)),
                    "value-units": "megawatthours",
                }
            end -= HOUR

    def _moer(self, query: dict[str, str]) -> dict[str, Any]:
        first = self.now().replace(second=0, microsecond=0)
        points = [
            {"point_time": (first + k * timedelta(minutes=5)).isoformat(), "value": 1000.0 + k + self.level}
            for k in range(289)
        ]
        meta = {
            "data_point_period_seconds": 300,
            "region": query["region"],
            "warnings": [],
            "signal_type": query["signal_type"],
            "model": {"date": "2023-03-01"},
            "units": "lbs_co2_per_mwh",
            "generated_at_period_seconds": 300,
            "generated_at": first.isoformat(),
        }
        return {"data": points, "meta": meta}
