"""Live signals of a configuration, polled; the same through the coordinator's server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from carbon_data.live.keys import FILE_VARIABLE, MissingKeyError
from coordinator.adapters.control_client import ControlClient, CoordinatorRefusedError
from coordinator.adapters.live_signals import open_signals
from coordinator.adapters.polled_signals import NO_VALUE
from coordinator.ledger.entry import Kind
from coordinator.ledger.store import read_entries
from coordinator.slots.protocol import TryLaterError
from protos.messages.terms import Stage
from tests.carbon_data.live.replayed import KEYS, Replayed
from tests.coordinator.adapters.process import Process


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


@pytest.mark.processes
def test_the_coordinators_process_freezes_once_before_it_decides(
    tmp_path: Path, kit: Any, replayed: Replayed
) -> None:
    process = Process(kit.live_config(tmp_path, replayed.url), tmp_path)
    process.start()
    with ControlClient(process.address) as control:
        for _ in range(2):
            with pytest.raises(CoordinatorRefusedError, match="no live node"):
                control.begin_slot(0, Stage.DEVELOPMENT, 0.0)
    assert process.stop() == 0
    kinds = [stored.entry.kind for stored in read_entries(process.config.ledger_path)]
    assert kinds == [Kind.START, Kind.SIGNAL]
    assert not [key for key in KEYS.values() if key in (tmp_path / "coordinator.log").read_text()]
