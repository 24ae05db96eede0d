"""Polling in threads, against a real server: slow, refusing and recovering services."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from carbon_data.files.http import HttpClient
from carbon_data.live.feed import Feed, Limits, NoValueError
from carbon_data.live.keys import Keys
from carbon_data.live.poller import Polled, Poller
from carbon_data.live.service import Asked
from carbon_data.live.services import open_service
from tests.carbon_data.live.conftest import NOW
from tests.carbon_data.live.replayed import KEYS, Replayed

HOUR = timedelta(hours=1)
PATIENCE_S = 120.0
"""Longest that a service here may take to answer, where a test is not about that."""


@contextmanager
def polling(
    replayed: Replayed, *names: str, poll_s: float = 0.0, wait_s: float = PATIENCE_S
) -> Iterator[Poller]:
    keys = Keys(KEYS)
    client = HttpClient(timeout_s=PATIENCE_S, attempts=1)
    signals = [
        Polled(
            f"{name} GB",
            open_service(name, Asked("GB", base_url=replayed.url), keys, client),
            Feed("GB", Limits(7200, 21600, keep=False), HOUR),
            poll_s,
        )
        for name in names or ("uk-carbon-intensity",)
    ]
    poller = Poller(signals, keys, wait_s, now=lambda: NOW)
    poller.start()
    try:
        yield poller
    finally:
        poller.close()


def values(poller: Poller) -> list[float]:
    _, taken = poller.freeze(2)
    return [each.observation.g_per_kwh for each in taken]


def eventually(what: Callable[[], Any]) -> None:
    """Wait until ``what`` holds."""
    end = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_once_a_slot_each_slot_sees_what_the_service_says_then(replayed: Replayed) -> None:
    with polling(replayed, "uk-carbon-intensity", "watttime") as poller:
        first = values(poller)
        replayed.level = 100.0
        assert values(poller) == [first[0] + 100, pytest.approx(first[1] + 45.359237)]
        replayed.always = (503, {}, b"")
        assert values(poller)[0] == first[0] + 100, "a service that fails leaves what is known"


def test_a_slot_waits_for_the_first_value_and_not_for_a_slow_later_one(replayed: Replayed) -> None:
    replayed.delay_s = 0.3
    with polling(replayed) as poller:
        first = values(poller)
    with polling(replayed, poll_s=1000.0) as poller:
        assert values(poller) == first
        replayed.delay_s = 60.0
        assert values(poller) == first
        assert len(replayed.asked) == 2, "not due again"


def test_a_service_that_does_not_answer_in_time_leaves_the_slot_without_a_value(replayed: Replayed) -> None:
    replayed.delay_s = PATIENCE_S
    with (
        polling(replayed, wait_s=0.1) as poller,
        pytest.raises(NoValueError, match=r"uk-carbon-intensity GB: .*no value"),
    ):
        values(poller)


def test_a_refused_key_ends_the_wait_and_is_named_without_the_key(replayed: Replayed) -> None:
    replayed.always = (401, {}, f"no such key {KEYS['ELECTRICITYMAPS_TOKEN']}".encode())
    with (
        polling(replayed, "electricity-maps", poll_s=300.0) as poller,
        pytest.raises(NoValueError, match=r"refuses the token \(401\): no such key \*\*\*"),
    ):
        values(poller)


def test_nothing_is_asked_before_the_time_that_the_service_named(replayed: Replayed) -> None:
    with polling(replayed) as poller:
        first = values(poller)
        replayed.first = [(429, {"Retry-After": "600"}, b"")]
        assert values(poller) == first
        replayed.level = 50.0
        asked = len(replayed.asked)
        assert values(poller) == first
        assert len(replayed.asked) == asked


def test_a_fault_is_logged_once_and_so_is_its_end(
    replayed: Replayed, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    replayed.first = [(500, {}, b"broken")] * 2
    with polling(replayed) as poller:
        for _ in range(2):
            with pytest.raises(NoValueError):
                values(poller)
        values(poller)
    told = [record.getMessage() for record in caplog.records if "uk-carbon" in record.getMessage()]
    assert len(told) == 2
    assert "broken" in told[0]
    assert "answers again" in told[1]


def test_a_fault_of_a_service_of_ones_own_ends_no_thread(replayed: Replayed, monkeypatch: Any) -> None:
    with polling(replayed) as poller:
        first = values(poller)
        monkeypatch.setattr(
            "carbon_data.live.uk_carbon_intensity.rows_of",
            lambda *_: (_ for _ in ()).throw(ZeroDivisionError()),
        )
        assert values(poller) == first
        monkeypatch.undo()
        replayed.level = 10.0
        assert values(poller) == [first[0] + 10]


def test_polls_go_on_between_slots(replayed: Replayed) -> None:
    with polling(replayed, poll_s=0.02) as poller:
        first = values(poller)
        eventually(lambda: len(replayed.asked) > 3)
        replayed.level = 30.0
        asked = len(replayed.asked)
        eventually(lambda: len(replayed.asked) > asked + 1)
        eventually(lambda: values(poller) == [first[0] + 30])
