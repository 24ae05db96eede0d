"""Marginal emission rate of a region: the API of WattTime, or one that answers like it. Never an average.

Documented (https://docs.watttime.org): ``/login`` with HTTP basic authentication answers ``{"token"}``, valid for 30
minutes; ``/v3/forecast?region&signal_type=co2_moer`` with ``Authorization: Bearer TOKEN`` answers ``{"data":
[{"point_time", "value"}], "meta": {"region", "signal_type", "units": "lbs_co2_per_mwh", "data_point_period_seconds",
"generated_at"}}``, 24 hours of 5 minutes from the present one on: its first point is the present value, the others are
the forecast issued at ``generated_at``.
"""

from __future__ import annotations

import base64
import re
import urllib.parse
from datetime import datetime, timedelta
from typing import Any, ClassVar

from carbon_data.files.http import AuthenticationError, BadResponseError, HttpClient
from carbon_data.live.answer import Answer, Observation, forecast_of, g_per_kwh, moment_of, ordered, rows_of
from carbon_data.live.keys import Keys
from carbon_data.live.service import Asked, base_of, scope_of
from carbon_data.sources.trace_file import G_PER_KWH
from carbon_data.types import Origin, Provenance, Scope, Signal, UnknownZoneError

USER, PASSWORD = "WATTTIME_USER", "WATTTIME_PASSWORD"
BASE_URL = "https://api.watttime.org"
UNITS = "lbs_co2_per_mwh"
SIGNAL_TYPE = "co2_moer"
LONGEST_POINT_S = 3600
_REGION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}")


class LiveWattTime:
    """Marginal direct intensity of a region; keys WATTTIME_USER and WATTTIME_PASSWORD."""

    signal: ClassVar[Signal] = Signal.MARGINAL
    keys_needed: ClassVar[tuple[str, ...]] = (USER, PASSWORD)

    def __init__(self, asked: Asked, keys: Keys, client: HttpClient) -> None:
        self._region = asked.place or asked.zone
        if not _REGION.fullmatch(self._region):
            raise UnknownZoneError(
                f"{self._region!r} is no region; they look like CAISO_NORTH: name it as place"
            )
        self._base, self._keys, self._client = base_of(asked, BASE_URL), keys, client
        self._scope = scope_of(asked, (Scope.DIRECT,), "watttime")
        self._token = ""

    @property
    def origin(self) -> Origin:
        return Origin(
            source=f"WattTime, live, marginal operating emissions rate of {self._region}",
            licence="terms of the WattTime API",
            signal=self.signal,
            scope=self._scope,
            provenance=Provenance.MODELLED,
            url=self._base,
        )

    @property
    def polls(self) -> str:
        return f"{self._base}/v3/forecast, region {self._region}"

    def fetch(self, now: datetime) -> Answer:
        """The present value and the forecast of the next day."""
        try:
            document = self._forecast()
        except AuthenticationError:
            if not self._token:
                raise
            self._token = ""  # it ended after 30 minutes: once more with a new one
            document = self._forecast()
        rows, meta = rows_of(self._region, document, "data"), self._meta(document)
        step = timedelta(seconds=meta["data_point_period_seconds"])
        points = [self._point(row, step) for row in rows]
        issued = moment_of(self._region, meta.get("generated_at"))
        present = ordered(self._region, points)[:1]
        return Answer(present, forecast_of(self._region, min(issued, now), points))

    def _forecast(self) -> Any:
        if not self._token:
            pair = f"{self._keys.get(USER)}:{self._keys.get(PASSWORD)}".encode()
            login = self._keys.keep_secret(base64.b64encode(pair).decode())
            answer = self._client.get_json(f"{self._base}/login", {"Authorization": f"Basic {login}"})
            token = answer.get("token") if isinstance(answer, dict) else None
            if not isinstance(token, str) or not token.isascii() or not token.isprintable():
                raise BadResponseError(f"{self._base}/login answers without a token")
            self._token = self._keys.keep_secret(token)
        query = urllib.parse.urlencode({"region": self._region, "signal_type": SIGNAL_TYPE})
        return self._client.get_json(
            f"{self._base}/v3/forecast?{query}", {"Authorization": f"Bearer {self._token}"}
        )

    def _meta(self, document: Any) -> dict[str, Any]:
        meta = document.get("meta") if isinstance(document, dict) else None
        if not isinstance(meta, dict):
            raise BadResponseError(f"region {self._region}: the answer has no meta: {str(document)[:80]}")
        for name, wanted in (("region", self._region), ("signal_type", SIGNAL_TYPE), ("units", UNITS)):
            if meta.get(name) != wanted:
                raise BadResponseError(f"asked for {name} {wanted}, the answer is in {meta.get(name)!r:.60}")
        period = meta.get("data_point_period_seconds")
        if type(period) is not int or not 1 <= period <= LONGEST_POINT_S:
            raise BadResponseError(
                f"region {self._region}: a point of {period!r:.40} s; allowed are 1 to {LONGEST_POINT_S}"
            )
        return meta

    def _point(self, row: dict[str, Any], step: timedelta) -> Observation:
        start = moment_of(self._region, row.get("point_time"))
        value = g_per_kwh(self._region, row.get("value"), start, self.signal, G_PER_KWH["lb/MWh"])
        return Observation(start, step, value)
