"""Live signals of a configuration, polled; the same through the coordinator's server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from carbon_data.live.keys import FILE_VARIABLE, MissingKeyError
from coordinator.adapters.live_signals import open_signals
from coordinator.adapters.polled_signals import NO_VALUE
from coordinator.slots.protocol import TryLaterError
from tests.carbon_data.live.replayed import Replayed


def test_signals_are_polled_in_the_order_of_the_configuration(
    tmp_path: Path, kit: Any, replayed: Replayed
) -> None:
    signals = open_signals(kit.live_config(tmp_path, replayed.url))
    assert signals is not None
    at, frozen = signals.freeze(3)
    signals.close()
    assert [each.observation.g_per_kwh > 400 for each in frozen] == [False, False, True]
    assert [len(each.expected.g_per_kwh) for each in frozen] == [3, 3, 3]
    assert all(each.received <= at for each in frozen)
    assert open_signals(kit.make_config(tmp_path)) is None


def test_a_value_that_is_missing_is_an_error_of_the_call(
    tmp_path: Path, kit: Any, replayed: Replayed
) -> None:
    replayed.always = (500, {}, b"")
    signals = open_signals(kit.live_config(tmp_path, replayed.url))
    assert signals is not None
    with pytest.raises(TryLaterError, match="no value has come yet") as raised:
        signals.freeze(0)
    signals.close()
    assert raised.value.code == NO_VALUE


def test_a_missing_key_is_found_before_anything_is_polled(
    tmp_path: Path, kit: Any, replayed: Replayed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WATTTIME_PASSWORD")
    monkeypatch.setenv(FILE_VARIABLE, str(tmp_path / "none.toml"))
    with pytest.raises(MissingKeyError, match="WATTTIME_PASSWORD"):
        open_signals(kit.live_config(tmp_path, replayed.url))
    assert not replayed.asked
