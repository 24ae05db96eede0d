"""Great Britain's half-hourly intensity from the National Energy System Operator's open API; no token."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from carbon_data.files.http import (
    BadResponseError,
    HttpClient,
)
from carbon_data.sources.conformance import intensity_violations
from carbon_data.sources.uk_carbon_intensity import UkCarbonIntensity
from carbon_data.types import MissingDataError
from tests.carbon_data.answers import Service

HOUR = timedelta(hours=1)
START = datetime(2023, 7, 13, tzinfo=UTC)
Answer = tuple[int, dict[str, str], bytes]


def test_uk_conforms_and_never_takes_a_forecast(service: Service, client: HttpClient) -> None:
    source = UkCarbonIntensity(base_url=service.url, client=client)
    assert intensity_violations(source, START) == []
    assert source.series("GB", START, HOUR, 24 * 20).intensity_g_per_kwh.size == 480
    service.change = lambda item, half: item | {"actual": None} if half == START + HOUR else item
    with pytest.raises(MissingDataError, match="2023-07-13T01:00:00"):
        source.series("GB", START, HOUR, 3)
    service.first = [(200, {}, b'{"data":[{"from":"x"}]}')]
    with pytest.raises(BadResponseError):
        source.series("GB", START, HOUR, 3)


def test_uk_refuses_two_values_for_one_half_hour(service: Service, client: HttpClient) -> None:
    halves = [(0, 200), (30, 210), (0, 600)]
    data = [
        {"from": f"2023-07-13T00:{minute:02d}Z", "to": "x", "intensity": {"forecast": 1, "actual": value}}
        for minute, value in halves
    ]
    service.first = [(200, {}, json.dumps({"data": data}).encode())]
    with pytest.raises(
        BadResponseError, match=r"2023-07-13T00:00:00.* occurs twice in the answer, with 200 and 600"
    ):
        UkCarbonIntensity(base_url=service.url, client=client).series("GB", START, HOUR, 1)
