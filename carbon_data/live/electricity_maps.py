"""Electricity Maps REST API, version 3: the last 24 hours of a zone, and its forecast where the key may read one.

Documented (https://app.electricitymaps.com/developer-hub/api/reference): header ``auth-token``;
``/carbon-intensity/history?zone&emissionFactorType`` answers ``{"zone", "history": [{"datetime", "carbonIntensity",
"isEstimated", "estimationMethod", "emissionFactorType"}]}``; ``/carbon-intensity/forecast?zone&emissionFactorType``
answers ``{"zone", "forecast": [{"datetime", "carbonIntensity"}], "updatedAt"}``, ``updatedAt`` being its time of issue;
gCO2eq/kWh, hourly. Without a zone of that name the service answers with the caller's own: the zone is compared.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterable
from datetime import datetime
from typing import Any, ClassVar

from carbon_data.files.http import AuthenticationError, BadResponseError, HttpClient, NotFoundError
from carbon_data.live.answer import Answer, Observation, forecast_of, g_per_kwh, moment_of, ordered, rows_of
from carbon_data.live.keys import Keys
from carbon_data.live.service import Asked, base_of, scope_of
from carbon_data.sources.electricity_maps import BASE_URL, HOUR, TOKEN_VARIABLE
from carbon_data.sources.portal_export import TEST_MODE
from carbon_data.types import Origin, Provenance, Scope, Signal, UnknownZoneError

FACTORS = {Scope.LIFE_CYCLE: "lifecycle", Scope.DIRECT: "direct"}
_ZONE_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")


class LiveElectricityMaps:
    """Average intensity of any zone of Electricity Maps; key from ELECTRICITYMAPS_TOKEN."""

    signal: ClassVar[Signal] = Signal.AVERAGE
    keys_needed: ClassVar[tuple[str, ...]] = (TOKEN_VARIABLE,)

    def __init__(self, asked: Asked, keys: Keys, client: HttpClient) -> None:
        self._zone = asked.place or asked.zone
        if not _ZONE_KEY.fullmatch(self._zone):
            raise UnknownZoneError(
                f"zone {self._zone!r} is not a zone key; keys look like SE-SE3 or US-NW-SCL"
            )
        self._base, self._keys, self._client = base_of(asked, BASE_URL), keys, client
        self._scope = scope_of(asked, FACTORS, "electricity-maps")

    @property
    def origin(self) -> Origin:
        return Origin(
            source="Electricity Maps API, live, flow-traced carbon intensity",
            licence="terms of the Electricity Maps API",
            signal=self.signal,
            scope=self._scope,
            provenance=Provenance.MODELLED,
            url=self._base,
        )

    @property
    def polls(self) -> str:
        return f"{self._base}/carbon-intensity/history and .../forecast, zone {self._zone}"

    def fetch(self, now: datetime) -> Answer:
        """The hours of the last day, and the forecast; keys of the free plan read no forecasts."""
        history = self._ask("history")
        seen = ordered(self._zone, self._hours(history, "history"))
        try:
            document = self._ask("forecast")
        except (AuthenticationError, NotFoundError) as refused:
            return Answer(seen, None, str(refused))
        issued = moment_of(self._zone, document.get("updatedAt"))
        return Answer(seen, forecast_of(self._zone, min(issued, now), self._hours(document, "forecast")))

    def _ask(self, what: str) -> dict[str, Any]:
        query = {"zone": self._zone, "emissionFactorType": FACTORS[self._scope]}
        url = f"{self._base}/carbon-intensity/{what}?{urllib.parse.urlencode(query)}"
        document = self._client.get_json(url, {"auth-token": self._keys.get(TOKEN_VARIABLE)})
        answered = document.get("zone") if isinstance(document, dict) else None
        if answered != self._zone:
            raise BadResponseError(f"asked for zone {self._zone}, the answer is for {answered!r:.60}")
        return dict(document)

    def _hours(self, document: dict[str, Any], what: str) -> Iterable[Observation]:
        for row in rows_of(self._zone, document, what):
            start, value = moment_of(self._zone, row.get("datetime")), row.get("carbonIntensity")
            if value is None:
                continue
            if (factors := row.get("emissionFactorType", FACTORS[self._scope])) != FACTORS[self._scope]:
                raise BadResponseError(
                    f"zone {self._zone}: asked for {FACTORS[self._scope]} factors, got {factors!r:.40}"
                )
            if TEST_MODE in str(row.get("estimationMethod", "")).casefold():
                raise BadResponseError(
                    f"zone {self._zone}: the value of {start.isoformat()} is invented for test tokens; set "
                    f"{TOKEN_VARIABLE} to a token with access to the zone"
                )
            estimated = bool(row.get("isEstimated", False))
            yield Observation(start, HOUR, g_per_kwh(self._zone, value, start, self.signal), estimated)
