"""The live services against a server that replays their documented answers, and wrong ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from carbon_data.files.http import (
    AuthenticationError,
    BadResponseError,
    HttpClient,
    NotFoundError,
    RateLimitError,
    ServiceUnavailableError,
)
from carbon_data.live.answer import Answer
from carbon_data.live.keys import Keys, MissingKeyError
from carbon_data.live.service import Asked
from carbon_data.live.services import SERVICES, open_service
from carbon_data.sources.generation import fuel_factors
from carbon_data.types import DataError, Scope, Signal, UnknownZoneError
from tests.carbon_data.live.conftest import NOW
from tests.carbon_data.live.replayed import FUELS, KEYS, Replayed

HOUR = timedelta(hours=1)
CLIENT = HttpClient(timeout_s=120.0, attempts=1)
ZONES = {
    "uk-carbon-intensity": Asked("GB"),
    "electricity-maps": Asked("DE"),
    "eia": Asked("US-CAL-CISO"),
    "watttime": Asked("US-CAL-CISO", place="CAISO_NORTH"),
}
Change = Callable[[Any], Any]


def opened(name: str, replayed: Replayed, keys: Keys | None = None, **changes: Any) -> Any:
    asked = ZONES[name]
    given = Asked(asked.zone, asked.place, changes.get("scope"), replayed.url)
    return open_service(name, given, keys or Keys(KEYS), CLIENT)


def fetched(name: str, replayed: Replayed) -> Answer:
    answer: Answer = opened(name, replayed).fetch(NOW)
    return answer


def rows(document: Any) -> list[Any]:
    """The values of a document, of whichever service it is."""
    found = document.get("data") or document.get("history") or document.get("forecast")
    return list(document["response"]["data"]) if found is None else found


def value_key(row: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Where a row has its value."""
    if "intensity" in row:
        return row["intensity"], "actual"
    return row, "carbonIntensity" if "carbonIntensity" in row else "value"


def with_value(value: Any, which: int = 0) -> Change:
    """A document whose row ``which`` has another value."""

    def change(document: Any) -> Any:
        if "token" not in document:
            place, key = value_key(rows(document)[which])
            place[key] = value
        return document

    return change


def test_uk_actual_values_are_observations_and_later_forecasts_the_forecast(replayed: Replayed) -> None:
    answer = fetched("uk-carbon-intensity", replayed)
    last = answer.observations[-1]
    assert (last.start, last.end) == (datetime(2024, 5, 1, 11, 30, tzinfo=UTC), NOW - timedelta(minutes=20))
    assert last.g_per_kwh == 171
    assert answer.observations[0].start <= NOW - timedelta(days=1)
    assert answer.forecast is not None
    assert (answer.forecast.issued, answer.forecast.first) == (NOW, NOW - timedelta(minutes=20))
    assert answer.forecast.values[0] == 162
    assert answer.forecast.end >= NOW + timedelta(hours=47)


def test_electricity_maps_history_and_forecast_with_its_time_of_issue(replayed: Replayed) -> None:
    answer = fetched("electricity-maps", replayed)
    assert [each.g_per_kwh for each in answer.observations[-2:]] == [311, 312]
    assert [each.estimated for each in answer.observations[-2:]] == [False, True]
    assert answer.forecast is not None
    assert answer.forecast.issued == datetime(2024, 5, 1, 11, 45, tzinfo=UTC)
    assert [path for path, _, _ in replayed.asked] == [
        "/carbon-intensity/history",
        "/carbon-intensity/forecast",
    ]
    assert {query["emissionFactorType"] for _, query, _ in replayed.asked} == {"lifecycle"}
    opened("electricity-maps", replayed, scope="direct").fetch(NOW)
    assert replayed.asked[-1][1]["emissionFactorType"] == "direct"


def test_a_key_that_may_read_no_forecast_gives_observations_and_says_why(replayed: Replayed) -> None:
    service = opened("electricity-maps", replayed)
    history = replayed._said(
        "/carbon-intensity/history",
        {"zone": "DE", "emissionFactorType": "lifecycle"},
        {"auth-token": KEYS["ELECTRICITYMAPS_TOKEN"]},
    )
    replayed.first = [history, (403, {}, b'{"message":"not in your plan"}')]
    answer = service.fetch(NOW)
    assert answer.forecast is None
    assert "not in your plan" in str(answer.no_forecast)
    assert answer.observations


def test_eia_generation_is_weighted_by_factors_with_sources_and_storage_is_left_out(
    replayed: Replayed,
) -> None:
    answer = fetched("eia", replayed)
    factors, names = (
        fuel_factors(),
        {"COL": "coal", "NG": "nat_gas", "NUC": "nuclear", "SUN": "solar", "WAT": "hydro", "WND": "wind"},
    )
    names["OTH"] = "other"
    total = sum(FUELS[code] for code in names)
    expected = sum(FUELS[code] * factors[fuel] for code, fuel in names.items()) / total
    last = answer.observations[-1]
    assert last.g_per_kwh == pytest.approx(expected, rel=1e-12)
    assert last.end == datetime(2024, 5, 1, 11, tzinfo=UTC), "a period names the end of its hour"
    assert answer.forecast is None
    assert replayed.asked[0][1]["facets[respondent][]"] == "CISO"


def test_eia_waits_for_an_hour_that_lacks_a_fuel(replayed: Replayed) -> None:
    def without_gas(document: Any) -> Any:
        data = document["response"]["data"]
        data.remove(next(row for row in data if row["fueltype"] == "NG"))
        return document

    replayed.change = without_gas
    assert fetched("eia", replayed).observations[-1].end == datetime(2024, 5, 1, 10, tzinfo=UTC)


def test_watttime_is_marginal_in_grams_with_its_time_of_issue_and_logs_in_again(replayed: Replayed) -> None:
    service = opened("watttime", replayed)
    answer = service.fetch(NOW)
    assert service.signal is Signal.MARGINAL
    assert service.origin.signal is Signal.MARGINAL
    (now,) = answer.observations
    assert (now.start, now.interval) == (NOW, timedelta(minutes=5))
    assert now.g_per_kwh == pytest.approx(453.59237)
    assert answer.forecast is not None
    assert answer.forecast.values.size == 289
    service.fetch(NOW)
    assert [path for path, _, _ in replayed.asked] == ["/login", "/v3/forecast", "/v3/forecast"]
    replayed.first = [(401, {}, b"{}")]
    service.fetch(NOW)
    assert [path for path, _, _ in replayed.asked][3:] == ["/v3/forecast", "/login", "/v3/forecast"]


@pytest.mark.parametrize("name", SERVICES)
def test_rows_in_any_order_and_twice_are_the_same_answer(name: str, replayed: Replayed) -> None:
    plain = fetched(name, replayed)

    def shuffled(document: Any) -> Any:
        if "token" not in document:
            found = rows(document)
            found.reverse()
            found += json.loads(json.dumps(found[:3]))
            if "response" in document:
                document["response"]["data"] = found
        return document

    replayed.change = shuffled
    assert fetched(name, replayed).observations == plain.observations


@pytest.mark.parametrize("name", SERVICES)
def test_an_interval_with_two_values_is_refused(name: str, replayed: Replayed) -> None:
    def twice(document: Any) -> Any:
        if "token" not in document:
            found = rows(document)
            found.append(json.loads(json.dumps(found[0])))
            place, key = value_key(found[-1])
            place[key] = float(place[key]) + 1
            if "response" in document:
                document["response"]["data"] = found
        return document

    replayed.change = twice
    with pytest.raises(BadResponseError, match="twice"):
        fetched(name, replayed)


IMPOSSIBLE = [
    (name, value)
    for name in SERVICES
    for value in (-3, 1e9, True, "many", float("nan"))
    if (name, value) != ("eia", -3)  # generation below zero is a plant's own use: it counts as none
]


@pytest.mark.parametrize(("name", "value"), IMPOSSIBLE)
def test_an_impossible_value_refuses_the_whole_answer(name: str, value: Any, replayed: Replayed) -> None:
    replayed.change = with_value(value)
    with pytest.raises(BadResponseError, match="allowed are"):
        fetched(name, replayed)


@pytest.mark.parametrize("name", ["uk-carbon-intensity", "electricity-maps", "eia"])
def test_null_is_missing_and_never_zero(name: str, replayed: Replayed) -> None:
    before = fetched(name, replayed).observations
    which = 0 if name == "eia" else len(before) - 1
    replayed.change = with_value(None, which) if name != "electricity-maps" else _last_null
    after = fetched(name, replayed).observations
    assert len(after) == len(before) - 1
    assert before[-1] not in after


def _last_null(document: Any) -> Any:
    if "history" in document:
        document["history"][-1]["carbonIntensity"] = None
    return document


@pytest.mark.parametrize(
    ("name", "key", "match"),
    [("electricity-maps", "zone", "answer is for 'FR'"), ("eia", "respondent", "answer is for 'FR'")],
)
def test_the_values_of_another_zone_are_refused(name: str, key: str, match: str, replayed: Replayed) -> None:
    def elsewhere(document: Any) -> Any:
        (document if key == "zone" else document["response"]["data"][0])[key] = "FR"
        return document

    replayed.change = elsewhere
    with pytest.raises(BadResponseError, match=match):
        fetched(name, replayed)


@pytest.mark.parametrize(
    ("key", "value"), [("region", "PJM"), ("units", "percent"), ("signal_type", "health_damage")]
)
def test_watttime_of_another_kind_is_refused(key: str, value: str, replayed: Replayed) -> None:
    def other(document: Any) -> Any:
        if "meta" in document:
            document["meta"][key] = value
        return document

    replayed.change = other
    with pytest.raises(BadResponseError, match=f"asked for {key}"):
        fetched("watttime", replayed)


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize(
    ("said", "error"),
    [
        ((200, {}, b"<html>busy</html>"), BadResponseError),
        ((200, {}, b'{"data": "none"}'), BadResponseError),
        ((200, {}, b"[]"), BadResponseError),
        ((404, {}, b"{}"), NotFoundError),
        ((401, {}, b'{"message":"bad"}'), AuthenticationError),
        ((503, {}, b""), ServiceUnavailableError),
        ((302, {"Location": "https://127.0.0.1:1/"}, b""), BadResponseError),
    ],
)
def test_failures_are_typed(name: str, said: Any, error: type[Exception], replayed: Replayed) -> None:
    replayed.always = said
    with pytest.raises(error):
        fetched(name, replayed)


def test_too_many_requests_name_the_wait_that_is_asked_for(replayed: Replayed) -> None:
    replayed.always = (429, {"Retry-After": "1800"}, b"slow down")
    with pytest.raises(RateLimitError) as raised:
        fetched("uk-carbon-intensity", replayed)
    assert raised.value.retry_after_s == 1800
    assert len(replayed.asked) == 1


@pytest.mark.parametrize("name", ["electricity-maps", "eia", "watttime"])
def test_no_message_holds_a_key(name: str, replayed: Replayed, caplog: pytest.LogCaptureFixture) -> None:
    keys = Keys(KEYS)
    caplog.set_level("DEBUG")
    echo = " ".join([*KEYS.values(), "eia%2Fsecret%2B0815"]).encode()
    replayed.always = (401, {}, echo)
    with pytest.raises(AuthenticationError) as raised:
        opened(name, replayed, keys).fetch(NOW)
    told = keys.hidden(str(raised.value)) + caplog.text
    mine = [KEYS[key] for key in SERVICES[name].keys_needed if key != "WATTTIME_USER"]
    assert not [key for key in mine if key in told]
    with pytest.raises(MissingKeyError, match=r"environment variable .* does not belong into a scenario"):
        opened(name, replayed, Keys({})).fetch(NOW)


@pytest.mark.parametrize(
    ("name", "asked", "error"),
    [
        ("uk-carbon-intensity", Asked("FR"), UnknownZoneError),
        ("electricity-maps", Asked("no/zone"), UnknownZoneError),
        ("eia", Asked("US-x y"), UnknownZoneError),
        ("watttime", Asked("a b"), UnknownZoneError),
        ("uk-carbon-intensity", Asked("GB", scope="life-cycle"), DataError),
        ("eia", Asked("CISO", scope="direct"), DataError),
        ("eia", Asked("CISO", base_url="http://example.org"), DataError),
        ("eia", Asked("CISO", base_url="https://user:pw@example.org"), DataError),
        ("weather", Asked("GB"), DataError),
    ],
)
def test_what_a_service_does_not_have_is_refused_before_it_is_asked(
    name: str, asked: Asked, error: type[Exception]
) -> None:
    with pytest.raises(error) as raised:
        open_service(name, asked, Keys({}))
    assert "pw" not in str(raised.value)


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_says_what_it_is(name: str, replayed: Replayed) -> None:
    service = opened(name, replayed)
    assert service.origin.licence
    assert service.origin.signal is service.signal
    assert service.origin.scope in Scope
    assert service.polls.startswith(replayed.url)
    assert not replayed.asked
