"""Great Britain, half-hourly, with a forecast: the Carbon Intensity API of the National Energy System Operator.

Documented (https://carbon-intensity.github.io/api-definitions/#get-intensity-from-to): ``/intensity/{from}/{to}``, at
most 14 days, answers ``{"data": [{"from", "to", "intensity": {"forecast", "actual", "index"}}]}``, times UTC,
gCO2/kWh; ``actual`` is null until the half hour is metered. No key. A time of issue is not stated: a forecast counts as
issued when it was received.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar

from carbon_data.files.http import BadResponseError, HttpClient
from carbon_data.live.answer import Answer, Observation, forecast_of, g_per_kwh, moment_of, ordered, rows_of
from carbon_data.live.keys import Keys
from carbon_data.live.service import Asked, base_of, scope_of
from carbon_data.sources.names import unknown_zone
from carbon_data.sources.resample import EPOCH
from carbon_data.sources.uk_carbon_intensity import BASE_URL, HALF_HOUR
from carbon_data.types import Origin, Provenance, Scope, Signal

BACK = timedelta(hours=25)
AHEAD = timedelta(hours=48)
"""As far as the API forecasts."""


class LiveUkCarbonIntensity:
    """Average direct intensity of zone GB; observations are ``actual`` values, never forecasts."""

    signal: ClassVar[Signal] = Signal.AVERAGE
    keys_needed: ClassVar[tuple[str, ...]] = ()

    def __init__(self, asked: Asked, keys: Keys, client: HttpClient) -> None:
        if asked.zone != "GB" or asked.place not in (None, "GB"):
            raise unknown_zone(asked.place or asked.zone, ["GB"], "the UK Carbon Intensity API")
        self._base, self._client = base_of(asked, BASE_URL), client
        self._scope = scope_of(asked, (Scope.DIRECT,), "uk-carbon-intensity")

    @property
    def origin(self) -> Origin:
        return Origin(
            source="UK Carbon Intensity API (NESO), live, actual intensity of generation",
            licence="CC-BY-4.0",
            signal=self.signal,
            scope=self._scope,
            # Metered generation times a constant factor of each fuel.
            provenance=Provenance.MODELLED,
            url=self._base,
        )

    @property
    def polls(self) -> str:
        return f"{self._base}/intensity/FROM/TO"

    def fetch(self, now: datetime) -> Answer:
        """Half hours of the last day, and the forecast."""
        first = EPOCH + ((now - BACK - EPOCH) // HALF_HOUR) * HALF_HOUR
        document = self._client.get_json(
            f"{self._base}/intensity/{first:%Y-%m-%dT%H:%MZ}/{first + BACK + AHEAD:%Y-%m-%dT%H:%MZ}"
        )
        seen, expected = [], []
        for row in rows_of("GB", document, "data"):
            start, told = moment_of("GB", row.get("from")), row.get("intensity")
            if not isinstance(told, dict) or (start - EPOCH) % HALF_HOUR:
                raise BadResponseError(f"zone GB: {str(row)[:80]} is no half hour as documented")
            if told.get("actual") is not None:
                seen.append(_half_hour(start, told["actual"]))
            if told.get("forecast") is not None and start + HALF_HOUR > now:
                expected.append(_half_hour(start, told["forecast"]))
        return Answer(ordered("GB", seen), forecast_of("GB", now, expected))


def _half_hour(start: datetime, value: Any) -> Observation:
    return Observation(start, HALF_HOUR, g_per_kwh("GB", value, start, Signal.AVERAGE))
