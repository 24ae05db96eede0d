"""REST clients against a loopback server that replays documented answers: no request to a real host."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from carbon_data.files.http import (
    AuthenticationError,
    BadResponseError,
    HttpClient,
    RateLimitError,
    ServiceUnavailableError,
)
from carbon_data.sources.conformance import intensity_violations
from carbon_data.sources.electricity_maps import ElectricityMaps
from carbon_data.types import DataError, MissingDataError, Provenance, UnknownZoneError
from tests.carbon_data.answers import Service

HOUR = timedelta(hours=1)
START = datetime(2023, 7, 13, tzinfo=UTC)
TOKEN = "secret-token-1"
Answer = tuple[int, dict[str, str], bytes]


@pytest.fixture
def make(service: Service, client: HttpClient, tmp_path: Path) -> Callable[..., ElectricityMaps]:
    def build(**options: Any) -> ElectricityMaps:
        return ElectricityMaps(
            **{"token": TOKEN, "base_url": service.url, "cache_folder": tmp_path / "c", "client": client}
            | options
        )

    return build


Make = Callable[..., ElectricityMaps]


def test_conforms(make: Make) -> None:
    assert intensity_violations(make(), START, "DE") == []


def test_the_request_is_the_documented_one(make: Make, service: Service) -> None:
    series = make().series("DE", START, HOUR, 3)
    np.testing.assert_allclose(series.intensity_g_per_kwh, [313, 314, 315])
    assert series.origin.provenance is Provenance.MODELLED  # generation times factors, estimated or not
    path, query, headers = service.requests[0]
    assert path == "/v3/carbon-intensity/past-range"
    assert query["zone"] == "DE"
    assert (query["start"], query["end"]) == ("2023-07-13T00:00:00Z", "2023-07-14T00:00:00Z")
    assert query["emissionFactorType"] == "lifecycle"
    assert headers["auth-token"] == TOKEN


def test_long_periods_are_asked_ten_days_at_a_time(make: Make, service: Service) -> None:
    series = make().series("DE", START, HOUR, 25 * 24)
    assert series.intensity_g_per_kwh.size == 600
    spans = [
        datetime.fromisoformat(q["end"]) - datetime.fromisoformat(q["start"]) for _, q, _ in service.requests
    ]
    assert [span.days for span in spans] == [10, 10, 5]


def test_what_was_read_once_is_read_from_the_cache(make: Make, service: Service, tmp_path: Path) -> None:
    first = make().series("DE", START, HOUR, 48)
    asked = len(service.requests)
    again = make(token="").series("DE", START + 5 * HOUR, HOUR, 24)
    assert len(service.requests) == asked
    np.testing.assert_array_equal(first.intensity_g_per_kwh[5:29], again.intensity_g_per_kwh)
    for path in (tmp_path / "c").iterdir():
        assert TOKEN not in path.read_text()
        path.write_text("{ broken")
    make().series("DE", START, HOUR, 48)
    assert len(service.requests) == asked + 1


def test_days_zones_and_scopes_are_kept_apart(make: Make, service: Service) -> None:
    make().series("DE", START, HOUR, 24)
    for ask in (
        lambda: make().series("DE", START + timedelta(days=1), HOUR, 24),
        lambda: make().series("SE-SE3", START, HOUR, 24),
        lambda: make(allow_estimated=False).series("DE", START, HOUR, 24),
    ):
        asked = len(service.requests)
        ask()
        assert len(service.requests) == asked + 1
    service.change = lambda item, _: item | {"emissionFactorType": "direct", "carbonIntensity": 7}
    assert make(scope="direct").series("DE", START, HOUR, 1).intensity_g_per_kwh[0] == 7


def test_estimates_are_labelled_kept_a_day_or_refused(
    make: Make, service: Service, waits: list[float]
) -> None:
    def estimate(item: dict[str, Any], moment: datetime) -> dict[str, Any]:
        some = moment.hour < 4
        return item | {"isEstimated": some, "estimationMethod": "TIME_SLICER_AVERAGE" if some else None}

    service.change = estimate
    series = make().series("DE", START, HOUR, 24)
    assert series.origin.provenance is Provenance.MODELLED
    assert series.origin.notes == ("4 of 24 hours estimated (TIME_SLICER_AVERAGE)",)
    with pytest.raises(MissingDataError, match="estimate"):
        make(allow_estimated=False).series("DE", START, HOUR, 24)
    asked = len(service.requests)
    make().series("DE", START, HOUR, 24)
    assert len(service.requests) == asked
    later = HttpClient(now_s=lambda: time.time() + 90_000)
    make(client=later).series("DE", START, HOUR, 24)
    assert len(service.requests) == asked + 1


def test_values_invented_for_test_tokens_are_refused(make: Make, service: Service) -> None:
    service.change = lambda item, _: item | {"estimationMethod": "SANDBOX_MODE_DATA", "isEstimated": True}
    with pytest.raises(
        BadResponseError, match=r"invented for test tokens \(SANDBOX_MODE_DATA\).*ELECTRICITYMAPS"
    ):
        make().series("DE", START, HOUR, 3)


@pytest.mark.parametrize("missing", ["null", "absent"])
def test_a_missing_hour_names_zone_and_time_and_is_not_cached(
    make: Make, service: Service, missing: str
) -> None:
    hole = START + 7 * HOUR

    def change(item: dict[str, Any], moment: datetime) -> dict[str, Any] | None:
        if moment != hole:
            return item
        return item | {"carbonIntensity": None} if missing == "null" else None

    service.change = change
    with pytest.raises(MissingDataError, match=r"DE.*2023-07-13T07:00:00\+00:00"):
        make().series("DE", START, HOUR, 24)
    service.change = lambda item, _: item
    make().series("DE", START, HOUR, 24)


def test_unknown_zones_are_named_with_their_nearest(make: Make) -> None:
    with pytest.raises(UnknownZoneError, match="did you mean SE-SE3"):
        make().series("SE-SE9", START, HOUR, 1)
    for wicked in ("../zones", "DE&zone=FR", "DE\r\nX: 1", ""):
        with pytest.raises(UnknownZoneError, match="not a zone key"):
            make().series(wicked, START, HOUR, 1)


def test_no_token_and_a_refused_token_say_so(
    make: Make, service: Service, monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    monkeypatch.delenv("ELECTRICITYMAPS_TOKEN", raising=False)
    with pytest.raises(AuthenticationError, match="set ELECTRICITYMAPS_TOKEN"):
        make(token=None).series("DE", START, HOUR, 1)
    assert service.requests == []
    service.first = [(401, {}, b'{"error":"Request unauthorized for zoneKey=DE"}')]
    with pytest.raises(AuthenticationError, match="unauthorized for zoneKey=DE") as caught:
        make().series("DE", START, HOUR, 1)
    assert TOKEN not in str(caught.value)
    assert waits == []
    monkeypatch.setenv("ELECTRICITYMAPS_TOKEN", TOKEN)
    make(token=None).series("DE", START, HOUR, 1)


@pytest.mark.parametrize("wicked", ["a\r\nHost: evil", "gänse"])
def test_a_token_cannot_smuggle_headers(make: Make, service: Service, wicked: str) -> None:
    with pytest.raises(AuthenticationError):
        make(token=wicked).series("DE", START, HOUR, 1)
    assert service.requests == []


def test_after_too_many_requests_it_waits_as_long_as_requested_and_continues(
    make: Make, service: Service, waits: list[float]
) -> None:
    service.first = [(429, {"Retry-After": "7"}, b"slow down")]
    make().series("DE", START, HOUR, 1)
    assert waits == [7.0]


def test_a_wait_that_is_too_long_gives_up_at_once(make: Make, service: Service, waits: list[float]) -> None:
    service.first = [(429, {"Retry-After": "3600"}, b"")]
    with pytest.raises(RateLimitError, match="3600 s"):
        make().series("DE", START, HOUR, 1)
    assert waits == []


def test_server_errors_back_off_with_full_jitter_and_then_succeed(
    make: Make, service: Service, waits: list[float]
) -> None:
    service.first = [(500, {}, b"oops"), (502, {}, b""), (503, {}, b"")]
    make().series("DE", START, HOUR, 1)
    assert len(waits) == 3
    for attempt, wait in enumerate(waits):
        assert 0.0 <= wait <= 0.5 * 2**attempt


@pytest.mark.parametrize(
    ("status", "error"),
    [(408, ServiceUnavailableError), (429, RateLimitError), (500, ServiceUnavailableError)],
)
def test_attempts_are_bounded(
    make: Make, service: Service, waits: list[float], status: int, error: type[Exception]
) -> None:
    service.first = [(status, {}, b"no")] * 20
    with pytest.raises(error, match="after 5 attempts"):
        make().series("DE", START, HOUR, 1)
    assert len(service.requests) == 5
    assert len(waits) == 4


def test_a_host_that_does_not_answer_is_a_typed_error(make: Make, service: Service) -> None:
    service.close()
    with pytest.raises(ServiceUnavailableError, match="no answer"):
        make().series("DE", START, HOUR, 1)
    # Closing twice must not hang the fixture.
    service.close = lambda: None  # type: ignore[method-assign]


@pytest.mark.parametrize(
    "body",
    [
        b"<html>maintenance</html>",
        b"[]",
        b'{"zone":"DE"}',
        b'{"zone":"DE","data":[{"carbonIntensity":3}]}',
        b'{"zone":"DE","data":[{"carbonIntensity":3,"datetime":"2023-07-13T00:30:00.000Z"}]}',
        b'{"zone":"DE","data":[{"carbonIntensity":3,"datetime":"2023-07-13T00:00:00"}]}',
        b'{"zone":"DE","data":["nonsense"]}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_malformed_answers_are_typed_errors(make: Make, service: Service, body: bytes) -> None:
    service.first = [(200, {}, body)]
    with pytest.raises(BadResponseError):
        make().series("DE", START, HOUR, 1)


@pytest.mark.parametrize("value", ["300", -1, True, float("nan"), float("inf")])
def test_values_that_are_no_intensity_are_refused(make: Make, service: Service, value: Any) -> None:
    service.change = lambda item, _: item | {"carbonIntensity": value}
    with pytest.raises(BadResponseError, match="number >= 0"):
        make().series("DE", START, HOUR, 1)


def test_an_answer_for_another_zone_or_factor_is_refused(make: Make, service: Service) -> None:
    service.change = lambda item, _: item | {"emissionFactorType": "direct"}
    with pytest.raises(BadResponseError, match="lifecycle"):
        make().series("DE", START, HOUR, 1)
    service.zone_said = "FR"
    with pytest.raises(BadResponseError, match="answer is for 'FR'"):
        make().series("DE", START, HOUR, 1)


def test_the_token_does_not_follow_a_redirect(make: Make, service: Service) -> None:
    elsewhere = Service()
    service.first = [(302, {"Location": f"{elsewhere.url}/zones"}, b"")]
    with pytest.raises(BadResponseError, match="302"):
        make().series("DE", START, HOUR, 1)
    assert elsewhere.requests == []
    elsewhere.close()


@pytest.mark.parametrize("url", ["http://example.com/v3", "file:///etc/passwd", "ftp://127.0.0.1/x"])
def test_only_https_and_the_loopback_are_spoken_to(make: Make, url: str) -> None:
    with pytest.raises(DataError, match="https is"):
        make(base_url=url).series("DE", START, HOUR, 1)
