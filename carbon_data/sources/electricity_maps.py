"""Electricity Maps REST API, version 3: hourly history of a zone, cached on disk, estimates labelled.

Documented behaviour used (https://app.electricitymaps.com/developer-hub/api/reference): header
``auth-token``;
``/carbon-intensity/past-range?zone&start&end&emissionFactorType&disableEstimations&temporalGranularity``,
at most 240 hours a request at hourly granularity, ``start`` included and ``end`` not; answers ``{"zone",
"data": [{"datetime", "carbonIntensity", "isEstimated", "estimationMethod", ...}]}``; ``/zones`` maps zone
keys to names.
"""

from __future__ import annotations

import json
import math
import os
import re
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from carbon_data.files.folders import cache_dir
from carbon_data.files.http import AuthenticationError, BadResponseError, HttpClient, NotFoundError
from carbon_data.sources.json_cache import JsonCache
from carbon_data.sources.names import unknown_zone
from carbon_data.sources.portal_export import TEST_MODE
from carbon_data.sources.resample import EPOCH, check_request, covering, interval_means
from carbon_data.types import (
    DataError,
    IntensitySeries,
    MissingDataError,
    Origin,
    Provenance,
    Scope,
    Signal,
    UnknownZoneError,
)

TOKEN_VARIABLE = "ELECTRICITYMAPS_TOKEN"
BASE_URL = "https://api.electricitymaps.com/v3"
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
DAYS_PER_REQUEST = 10
ESTIMATES_KEPT_S = 86_400.0
"""Age after which days with estimates are requested again, because the service replaces estimates by measured values.
Days without estimates are kept without limit."""
ZONES_KEPT_S = 7 * 86_400.0
_ZONE_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
_FACTORS = {Scope.LIFE_CYCLE: "lifecycle", Scope.DIRECT: "direct"}


@dataclass(frozen=True, slots=True)
class _Hour:
    """One documented entry, checked."""

    intensity_g_per_kwh: float
    estimated: bool
    method: str


class ElectricityMaps:
    """Average intensity of any Electricity Maps zone over the REST API; token from ELECTRICITYMAPS_TOKEN.

    Hourly values, resampled to the requested step. A missing hour or a null raises
    MissingDataError; estimated hours are labelled in the origin, or refused with ``allow_estimated=False``.
    Answers are kept in the cache folder, so that a second run needs no network; the token is never written.
    """

    def __init__(
        self,
        token: str | None = None,
        *,
        scope: str = Scope.LIFE_CYCLE,
        allow_estimated: bool = True,
        base_url: str = BASE_URL,
        cache_folder: Path | None = None,
        client: HttpClient | None = None,
    ) -> None:
        self._token = token if token is not None else os.environ.get(TOKEN_VARIABLE, "")
        try:
            self._scope = Scope(scope)
        except ValueError:
            raise DataError(f"scope is {scope!r}; allowed is {' or '.join(Scope)}") from None
        self._allow_estimated = allow_estimated
        self._base_url = base_url.rstrip("/")
        self._client = client or HttpClient()
        self._cache = JsonCache(cache_folder or cache_dir() / "electricity-maps", now_s=self._client.now_s)

    def zones(self) -> Sequence[str]:
        """Zones the service knows, sorted (asked once a week)."""
        key = f"{self._base_url}/zones"
        document = self._cache.get(key, ZONES_KEPT_S)
        if document is None:
            document = self._get("/zones", {})
            if not isinstance(document, dict) or not document:
                raise BadResponseError(f"{key} answered {str(document)[:80]}, expected an object of zones")
            self._cache.put(key, document)
        return sorted(map(str, document))

    def series(self, zone: str, start: datetime, step: timedelta, count: int) -> IntensitySeries:
        """Mean intensity over ``count`` intervals; see IntensitySource.

        Raises UnknownZoneError, MissingDataError, or a ServiceError of carbon_data.files.http.
        """
        if not _ZONE_KEY.fullmatch(zone):
            raise UnknownZoneError(f"zone {zone!r} is not a zone key; keys look like SE-SE3 or US-NW-SCL")
        begin = check_request(start, step, count)
        first, cells = covering(begin, step, count, HOUR)
        hours = self._hours(zone, first, first + cells * HOUR)
        estimated = sorted({hour.method for hour in hours if hour.estimated})
        many = sum(hour.estimated for hour in hours)
        values = np.array([hour.intensity_g_per_kwh for hour in hours])
        origin = Origin(
            source="Electricity Maps API, flow-traced carbon intensity",
            licence="terms of the Electricity Maps API",
            signal=Signal.AVERAGE,
            scope=self._scope,
            # Also where no hour is estimated: metered generation times a constant factor of each source.
            provenance=Provenance.MODELLED,
            url=self._base_url,
            notes=(f"{many} of {len(hours)} hours estimated ({', '.join(estimated)})",) if many else (),
        )
        means = interval_means(values, first, HOUR, begin, step, count)
        return IntensitySeries(zone=zone, start=begin, step=step, intensity_g_per_kwh=means, origin=origin)

    def _hours(self, zone: str, start: datetime, end: datetime) -> list[_Hour]:
        """Every hour from ``start`` to ``end``, from the cache or the service, whole UTC days at a time."""
        first_day, days = covering(start, end - start, 1, DAY)
        wanted = [first_day + index * DAY for index in range(days)]
        found: dict[datetime, dict[str, Any]] = {}
        missing = []
        for day in wanted:
            entries = self._cached(zone, day)
            if entries is None:
                missing.append(day)
            else:
                found.update(entries)
        while missing:
            run = 1
            while run < min(len(missing), DAYS_PER_REQUEST) and missing[run] == missing[0] + run * DAY:
                run += 1
            found.update(self._fetch(zone, missing[0], missing[0] + run * DAY))
            missing = missing[run:]
        return [self._hour(zone, start + index * HOUR, found) for index in range((end - start) // HOUR)]

    def _hour(self, zone: str, moment: datetime, found: dict[datetime, dict[str, Any]]) -> _Hour:
        entry = found.get(moment)
        value = None if entry is None else entry.get("carbonIntensity")
        if entry is None or value is None:
            raise MissingDataError(
                f"zone {zone}: Electricity Maps has no value for {moment.isoformat()}; choose an earlier "
                "period, or wait for it"
            )
        if (
            isinstance(value, bool)
            or not isinstance(value, (int, float))
            or not math.isfinite(value)
            or value < 0
        ):
            raise BadResponseError(
                f"zone {zone}: intensity {value!r} at {moment.isoformat()}; a number >= 0 is documented"
            )
        if TEST_MODE in str(entry.get("estimationMethod", "")).casefold():
            raise BadResponseError(
                f"zone {zone}: the value of {moment.isoformat()} is invented for test tokens "
                f"({entry['estimationMethod']}); set {TOKEN_VARIABLE} to a token with access to the zone"
            )
        estimated = bool(entry.get("isEstimated", False))
        if estimated and not self._allow_estimated:
            raise MissingDataError(
                f"zone {zone}: the value of {moment.isoformat()} is an estimate, and estimates are refused"
            )
        return _Hour(float(value), estimated, str(entry.get("estimationMethod") or "method not stated"))

    def _fetch(self, zone: str, start: datetime, end: datetime) -> dict[datetime, dict[str, Any]]:
        query = {
            "zone": zone,
            "start": _iso(start),
            "end": _iso(end),
            "emissionFactorType": _FACTORS[self._scope],
            "disableEstimations": "false" if self._allow_estimated else "true",
            "temporalGranularity": "hourly",
        }
        try:
            document = self._get("/carbon-intensity/past-range", query)
        except NotFoundError as error:
            raise self._unknown(zone, error) from None
        if not isinstance(document, dict) or not isinstance(document.get("data"), list):
            raise BadResponseError(
                f"zone {zone}: the answer has no list called data: {json.dumps(document)[:120]}"
            )
        if document.get("zone") != zone:
            # The service answers an unknown zone with the data of the caller's own zone.
            raise BadResponseError(f"asked for zone {zone}, the answer is for {document.get('zone')!r}")
        by_hour = {}
        for entry in document["data"]:
            moment = _stamp(zone, entry)
            factors = entry.get("emissionFactorType", query["emissionFactorType"])
            if factors != query["emissionFactorType"]:
                raise BadResponseError(
                    f"zone {zone}: asked for {query['emissionFactorType']} factors, got {factors!r}"
                )
            if moment in by_hour:
                raise BadResponseError(f"zone {zone}: {moment.isoformat()} occurs twice in the answer")
            by_hour[moment] = entry
        for index in range((end - start) // DAY):
            day = start + index * DAY
            whole = [by_hour.get(day + hour * HOUR) for hour in range(24)]
            # Only whole days are kept: missing hours may be available later.
            if all(entry is not None and entry.get("carbonIntensity") is not None for entry in whole):
                self._cache.put(self._key(zone, day), {"zone": zone, "hours": whole})
        return by_hour

    def _unknown(self, zone: str, error: NotFoundError) -> DataError:
        try:
            return unknown_zone(zone, self.zones(), "Electricity Maps")
        except DataError:
            return UnknownZoneError(f"zone {zone!r}: {error}")

    def _cached(self, zone: str, day: datetime) -> dict[datetime, dict[str, Any]] | None:
        document = self._cache.get(self._key(zone, day), None)
        if not isinstance(document, dict) or not isinstance(document.get("hours"), list):
            return None
        entries: dict[datetime, dict[str, Any]] = {_stamp(zone, entry): entry for entry in document["hours"]}
        if any(entry.get("isEstimated") for entry in entries.values()):
            return entries if self._cache.get(self._key(zone, day), ESTIMATES_KEPT_S) is not None else None
        return entries

    def _key(self, zone: str, day: datetime) -> str:
        estimates = "with" if self._allow_estimated else "without"
        return f"{self._base_url} {zone} {self._scope} {estimates} estimates, {day.date().isoformat()}"

    def _get(self, path: str, query: dict[str, str]) -> Any:
        if not self._token:
            raise AuthenticationError(
                f"Electricity Maps needs a token: set {TOKEN_VARIABLE}; the packaged profiles need none"
            )
        if not self._token.isascii() or not self._token.isprintable():
            raise AuthenticationError(f"{TOKEN_VARIABLE} holds characters that no token has; copy it again")
        url = self._base_url + path + ("?" + urllib.parse.urlencode(query) if query else "")
        return self._client.get_json(url, {"auth-token": self._token})


def _stamp(zone: str, entry: Any) -> datetime:
    """Hour an entry is for."""
    try:
        moment = datetime.fromisoformat(entry["datetime"])
        if (moment - EPOCH) % HOUR != timedelta(0):
            raise ValueError("not on the hour")
    except (KeyError, TypeError, ValueError) as error:
        raise BadResponseError(
            f"zone {zone}: entry {str(entry)[:120]} has no usable datetime ({error})"
        ) from error
    return EPOCH + (moment - EPOCH)


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
