"""HTTP for data: requests with urllib3's Retry, typed failures, and no token sent to another host."""

from __future__ import annotations

import threading
from datetime import timedelta
from email.utils import formatdate
from pathlib import Path

import pytest

from carbon_data.files.http import (
    BadResponseError,
    HttpClient,
    ServiceError,
    ServiceUnavailableError,
)
from tests.carbon_data.answers import Service

HOUR = timedelta(hours=1)
Answer = tuple[int, dict[str, str], bytes]


def test_retry_after_may_be_a_date(
    service: Service, client: HttpClient, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("urllib3.util.retry.time.time", lambda: 1_000_000.0)
    service.first = [(503, {"Retry-After": formatdate(1_000_030.0, usegmt=True)}, b"")]
    client.get_json(f"{service.url}/zones")
    assert waits == [30.0]


@pytest.mark.parametrize("header", ["soon", "9" * 5000, "Mon, 99 Foo 2023", "-3"])
def test_a_retry_after_that_says_nothing_is_no_wait_of_the_servers(
    service: Service, client: HttpClient, waits: list[float], header: str
) -> None:
    service.first = [(503, {"Retry-After": header}, b"")]
    client.get_json(f"{service.url}/zones")
    assert len(waits) == 1
    assert 0.0 <= waits[0] <= 0.5


def test_a_silent_server_runs_into_the_time_out(service: Service, waits: list[float]) -> None:
    release = threading.Event()
    service.answer = lambda *_: (release.wait(120.0), (200, {}, b"{}"))[1]  # type: ignore[method-assign,assignment,return-value]
    client = HttpClient(timeout_s=0.1, attempts=2)
    with pytest.raises(ServiceUnavailableError, match=r"timed out.*after 2 attempts"):
        client.get_json(f"{service.url}/zones?key=secret")
    release.set()


@pytest.mark.parametrize("status", [400, 404, 410, 413, 301])
def test_a_permanent_failure_is_requested_once(
    service: Service, client: HttpClient, waits: list[float], status: int
) -> None:
    service.first = [(status, {"Retry-After": "1"}, b"no")]
    with pytest.raises(ServiceError, match=str(status)):
        client.get_json(f"{service.url}/zones")
    assert (len(service.requests), waits) == (1, [])


def test_an_answer_that_breaks_off_is_asked_for_again_and_counts(
    service: Service, client: HttpClient, waits: list[float]
) -> None:
    broken = (200, {"Content-Length": "1000"}, b'{"DE":')
    service.first = [broken, (503, {}, b""), broken]
    assert set(client.get_json(f"{service.url}/zones")) == {"DE", "SE-SE3"}
    assert (len(service.requests), len(waits)) == (4, 3)
    service.first = [broken] * 9
    with pytest.raises(ServiceUnavailableError, match=r"no answer.*after 5 attempts"):
        client.get_json(f"{service.url}/zones?key=secret")
    assert len(service.requests) == 9


def test_no_error_repeats_the_query(client: HttpClient, service: Service, waits: list[float]) -> None:
    url = f"{service.url}/zones?key=secret"
    for answer in [(500, {}, b"")] * 5, [(404, {}, b"")], [(200, {}, b"<html>")]:
        service.first = list(answer)
        with pytest.raises(ServiceError) as caught:
            client.get_json(url)
        assert "secret" not in str(caught.value)
    service.close()
    service.close = lambda: None  # type: ignore[method-assign]
    with pytest.raises(ServiceUnavailableError) as caught:
        client.get_json(url)
    assert "secret" not in str(caught.value)


def test_an_endless_answer_is_refused(
    service: Service, client: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("carbon_data.files.http.MAX_JSON_BYTES", 1000)
    service.first = [(200, {}, b" " * 1001)]
    with pytest.raises(BadResponseError, match="more than 1000 bytes"):
        client.get_json(f"{service.url}/zones")


def test_no_password_of_the_users_is_sent_and_no_proxy_asked(
    service: Service, client: HttpClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password mine\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    client.get_json(f"{service.url}/zones")
    assert "authorization" not in service.requests[0][2]
    monkeypatch.setattr("carbon_data.files.http.is_loopback", lambda url: False)
    monkeypatch.setattr("carbon_data.files.http.is_allowed", lambda url: True)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    client.get_json(f"{service.url}/zones")  # as with any other host, whose environment counts
    assert "authorization" not in service.requests[1][2]


def test_no_log_line_holds_the_query(
    client: HttpClient, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    service.first = [(200, {"Content-Length": "10"}, b"{}"), (503, {}, b"")]
    client.get_json(f"{service.url}/zones?api_key=s3cret&facets[x][]=y")
    told = [record.getMessage() for record in caplog.records if record.name.startswith("urllib3")]
    assert any("/zones?..." in line for line in told)
    assert not [line for line in told if "s3cret" in line]
