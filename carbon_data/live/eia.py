"""Hourly generation by fuel of a US balancing authority (EIA-930), weighted by life-cycle factors.

Documented (https://www.eia.gov/opendata/documentation.php, route https://www.eia.gov/opendata/browser/electricity/rto/
fuel-type-data): ``/v2/electricity/rto/fuel-type-data/data/`` with ``api_key``, ``frequency=hourly`` (UTC),
``data[0]=value``, ``facets[respondent][]``, ``start``, ``sort``, ``length`` up to 5000, answers ``{"response": {"data":
[{"period": "2024-01-01T05", "respondent", "fueltype", "value", "value-units": "megawatthours"}]}}``; values are text
or numbers. A period names the end of its hour (EIA-930, https://www.eia.gov/electricity/gridmonitor/about: data for the
hour ending). Fuels and their factors: ``FUELS``, carbon_data/factors/fuels.toml.
"""

from __future__ import annotations

import math
import re
import urllib.parse
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from carbon_data.files.http import BadResponseError, HttpClient
from carbon_data.live.answer import Answer, Observation, g_per_kwh, ordered, rows_of
from carbon_data.live.keys import Keys
from carbon_data.live.service import Asked, base_of, scope_of
from carbon_data.sources.generation import fuel_factors
from carbon_data.types import Origin, Provenance, Scope, Signal, UnknownZoneError

KEY = "EIA_API_KEY"
BASE_URL = "https://api.eia.gov"
HOUR = timedelta(hours=1)
BACK = timedelta(hours=50)
"""Two days: authorities post fuels up to a day late, and a day before the newest hour is its expectation."""
FUELS: Mapping[str, str | None] = {
    "COL": "coal",
    "NG": "nat_gas",
    "OIL": "oil",
    "NUC": "nuclear",
    "WAT": "hydro",
    "SUN": "solar",
    "SNB": "solar",
    "WND": "wind",
    "WNB": "wind",
    "GEO": "geothermal",
    "OTH": "other",
    "UNK": "other",
    "BAT": None,
    "PS": None,
    "OES": None,
    "UES": None,
}
"""Fuel of carbon_data/factors by EIA's code. Storage (None) generates nothing: what it gives back was generated, and
counted, before."""
_RESPONDENT = re.compile(r"[A-Z0-9]{2,8}")


class LiveEia:
    """Average life-cycle intensity of generation in a balancing authority; imports are left out. Key: EIA_API_KEY."""

    signal: ClassVar[Signal] = Signal.AVERAGE
    keys_needed: ClassVar[tuple[str, ...]] = (KEY,)

    def __init__(self, asked: Asked, keys: Keys, client: HttpClient) -> None:
        self._respondent = asked.place or asked.zone.rpartition("-")[2]
        if not _RESPONDENT.fullmatch(self._respondent):
            raise UnknownZoneError(
                f"{self._respondent!r} is no respondent of EIA-930; they look like CISO or PJM: name it as place"
            )
        self._base, self._keys, self._client = base_of(asked, BASE_URL), keys, client
        self._scope = scope_of(asked, (Scope.LIFE_CYCLE,), "eia")

    @property
    def origin(self) -> Origin:
        factors = fuel_factors()
        used = ", ".join(f"{fuel} {factors[fuel]:g}" for fuel in dict.fromkeys(FUELS.values()) if fuel)
        return Origin(
            source=f"EIA-930 generation by fuel of {self._respondent}, live, production-based",
            licence="public domain (US government)",
            signal=self.signal,
            scope=self._scope,
            provenance=Provenance.MODELLED,
            url=self._base,
            notes=(f"g/kWh by fuel: {used}", "storage is left out, and generation below zero"),
        )

    @property
    def polls(self) -> str:
        return f"{self._base}/v2/electricity/rto/fuel-type-data/data/, respondent {self._respondent}"

    def fetch(self, now: datetime) -> Answer:
        """The complete hours of the last two days. EIA forecasts no generation by fuel."""
        query = {
            "api_key": self._keys.get(KEY),
            "frequency": "hourly",
            "data[0]": "value",
            "facets[respondent][]": self._respondent,
            "start": f"{now - BACK:%Y-%m-%dT%H}",
            "sort[0][column]": "period",
            "sort[0][direction]": "desc",
            "length": "5000",
        }
        url = f"{self._base}/v2/electricity/rto/fuel-type-data/data/?{urllib.parse.urlencode(query)}"
        rows = rows_of(self._respondent, self._client.get_json(url), "response", "data")
        return Answer(ordered(self._respondent, self._hours(rows)))

    def _hours(self, rows: Iterable[Mapping[str, Any]]) -> Iterable[Observation]:
        by_hour: dict[datetime, dict[str, float | None]] = defaultdict(dict)
        for row in rows:
            if row.get("respondent") != self._respondent:
                raise BadResponseError(
                    f"asked for respondent {self._respondent}, the answer is for {row.get('respondent')!r:.40}"
                )
            end, fuel, value = self._end(row), str(row.get("fueltype")), self._value(row)
            if by_hour[end].setdefault(fuel, value) != value:
                raise BadResponseError(
                    f"{self._respondent}: {fuel} of {end.isoformat()} occurs twice in the answer, with other values"
                )
        most: set[str] = set()
        for end in sorted(by_hour):
            mix = by_hour[end]
            reported = {fuel for fuel, value in mix.items() if value is not None}
            if reported >= most:  # an hour that lacks a fuel of the hours before is not complete yet
                most = reported
                yield from self._intensity(end, {fuel: mix[fuel] or 0.0 for fuel in reported})

    def _intensity(self, end: datetime, mix: Mapping[str, float]) -> Iterable[Observation]:
        factors = fuel_factors()
        generated = [
            (max(value, 0.0), factors[fuel])
            for code, value in mix.items()
            if (fuel := FUELS.get(code, "other")) is not None
        ]
        total = sum(value for value, _ in generated)
        if total > 0:
            grams = sum(value * factor for value, factor in generated) / total
            yield Observation(end - HOUR, HOUR, g_per_kwh(self._respondent, grams, end, self.signal))

    def _end(self, row: Mapping[str, Any]) -> datetime:
        try:
            return datetime.strptime(str(row.get("period")), "%Y-%m-%dT%H").replace(tzinfo=UTC)
        except ValueError as error:
            raise BadResponseError(
                f"{self._respondent}: period {row.get('period')!r:.40} is no hour like 2024-01-01T05"
            ) from error

    def _value(self, row: Mapping[str, Any]) -> float | None:
        """MWh in the hour; None where it is not reported."""
        told = row.get("value")
        if told is None:
            return None
        if (unit := row.get("value-units", "megawatthours")) != "megawatthours":
            raise BadResponseError(f"{self._respondent}: generation in {unit!r:.40}, not in megawatthours")
        try:
            value = math.nan if isinstance(told, bool) else float(told)
        except (TypeError, ValueError):
            value = math.nan
        if not abs(value) <= LARGEST_MWH:
            raise BadResponseError(
                f"{self._respondent}: {row.get('fueltype')!r:.20} generates {told!r:.40} MWh in an hour; allowed are "
                f"numbers up to {LARGEST_MWH:,.0f}; the whole answer is refused"
            )
        return value


LARGEST_MWH = 1e6
"""More than the whole of the United States generates in an hour (about 5e5)."""
