"""Great Britain's half-hourly intensity from the National Energy System Operator's open API; no token."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from carbon_data.files.http import BadResponseError, HttpClient
from carbon_data.sources.names import unknown_zone
from carbon_data.sources.resample import check_request, covering, interval_means
from carbon_data.types import IntensitySeries, MissingDataError, Origin, Provenance, Scope, Signal

BASE_URL = "https://api.carbonintensity.org.uk"
HALF_HOUR = timedelta(minutes=30)
LONGEST_REQUEST = timedelta(days=14)


class UkCarbonIntensity:
    """Average direct intensity of Great Britain (zone GB), half-hourly, from api.carbonintensity.org.uk.

    Documented answer to ``/intensity/{from}/{to}``: ``{"data": [{"from", "to", "intensity": {"forecast",
    "actual", "index"}}]}``, at most 14 days a request. Only ``actual`` values are used: a null raises
    MissingDataError and is never replaced by a forecast.
    """

    def __init__(self, *, base_url: str = BASE_URL, client: HttpClient | None = None) -> None:
        self._base_url = base_url.rstrip("/")
        self._client = client or HttpClient()

    def zones(self) -> Sequence[str]:
        """GB only."""
        return ["GB"]

    def series(self, zone: str, start: datetime, step: timedelta, count: int) -> IntensitySeries:
        """Mean intensity over ``count`` intervals; see IntensitySource. Raises ServiceError."""
        if zone != "GB":
            raise unknown_zone(zone, self.zones(), "the UK Carbon Intensity API")
        begin = check_request(start, step, count)
        first, cells = covering(begin, step, count, HALF_HOUR)
        end = first + cells * HALF_HOUR
        found: dict[datetime, Any] = {}
        moment = first
        while moment < end:
            until = min(end, moment + LONGEST_REQUEST)
            found.update(self._fetch(moment, until))
            moment = until
        values = np.array([self._value(found, first + index * HALF_HOUR) for index in range(cells)])
        origin = Origin(
            source="UK Carbon Intensity API (NESO), actual intensity of generation",
            licence="CC-BY-4.0",
            signal=Signal.AVERAGE,
            scope=Scope.DIRECT,
            # Metered generation times a constant factor of each fuel.
            provenance=Provenance.MODELLED,
            url=self._base_url,
        )
        means = interval_means(values, first, HALF_HOUR, begin, step, count)
        return IntensitySeries(zone=zone, start=begin, step=step, intensity_g_per_kwh=means, origin=origin)

    def _fetch(self, start: datetime, end: datetime) -> dict[datetime, Any]:
        document = self._client.get_json(
            f"{self._base_url}/intensity/{start:%Y-%m-%dT%H:%MZ}/{end:%Y-%m-%dT%H:%MZ}"
        )
        found: dict[datetime, Any] = {}
        try:
            for entry in document["data"]:
                moment = datetime.fromisoformat(entry["from"]).astimezone(start.tzinfo)
                value = entry["intensity"]["actual"]
                if moment in found and found[moment] != value:
                    raise BadResponseError(
                        f"zone GB: {moment.isoformat()} occurs twice in the answer, with "
                        f"{found[moment]!r} and {value!r}"
                    )
                found[moment] = value
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, BadResponseError):
                raise
            raise BadResponseError(
                f"the answer for {start.isoformat()} is not as documented: {error!r}"
            ) from error
        return found

    @staticmethod
    def _value(found: dict[datetime, Any], moment: datetime) -> float:
        value = found.get(moment)
        if value is None:
            raise MissingDataError(
                f"zone GB: no actual value for {moment.isoformat()}; choose an earlier period"
            )
        if (
            isinstance(value, bool)
            or not isinstance(value, (int, float))
            or not math.isfinite(value)
            or value < 0
        ):
            raise BadResponseError(
                f"zone GB: intensity {value!r} at {moment.isoformat()}; a number >= 0 is documented"
            )
        return float(value)
