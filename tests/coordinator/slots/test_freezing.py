"""Live intensities become part of the books before a slot is decided."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from coordinator.ledger import verify
from coordinator.ledger.entry import Kind
from coordinator.ledger.store import read_entries
from coordinator.policies.registry import make_policy
from coordinator.slots.protocol import TryLaterError
from protos.messages.runner import BeginSlot
from protos.messages.terms import Stage
from tests.carbon_data.live.replayed import HOUR, KEYS, Replayed


def kinds(path: Path) -> list[tuple[Kind, int | None]]:
    return [
        (stored.entry.kind, stored.entry.slot)
        for stored in read_entries(path)
        if stored.entry.kind in (Kind.SIGNAL, Kind.DECISION)
    ]


def test_each_slot_is_decided_on_what_was_frozen_before_it(
    tmp_path: Path, kit: Any, replayed: Replayed
) -> None:
    config = kit.live_config(tmp_path, replayed.url, slots=3, horizon_slots=3, known_slots=3)
    bench = kit.Bench(config, make_policy("dat"))
    bench.join()
    books = bench.coordinator.service.books
    for slot in range(3):
        replayed.level = 10.0 * slot
        bench.run_slot(slot)
        assert books.zones["Z0"].issues[0].from_slot == slot
        assert len(books.zones["Z0"].issues[0].g_per_kwh) == 2 - slot
    values = books.intensity_g_per_kwh["Z1"]
    assert [value - values[0] for value in values] == pytest.approx([0, 10, 20], abs=1.5)
    bench.close()
    assert kinds(config.ledger_path) == [(kind, s) for s in range(3) for kind in (Kind.SIGNAL, Kind.DECISION)]
    report = verify(config.ledger_path)
    assert report.ok, report.findings
    content = config.ledger_path.read_bytes()
    assert not [key for key in KEYS.values() if key.encode() in content]


def test_a_restarted_coordinator_finds_what_was_frozen_and_asks_no_second_time(
    tmp_path: Path, kit: Any, replayed: Replayed
) -> None:
    bench = kit.Bench(kit.live_config(tmp_path, replayed.url), make_policy("deta"))
    bench.join()
    bench.run_slot(0)
    coordinator = bench.coordinator
    coordinator._freeze()  # and then the coordinator is killed, before it has decided
    before = {zone: list(values) for zone, values in coordinator.service.books.intensity_g_per_kwh.items()}
    replayed.level = 500.0
    bench.restart()
    assert bench.coordinator.service.books.intensity_g_per_kwh == before
    bench.join()
    bench.run_slot(1)
    assert bench.coordinator.service.books.intensity_g_per_kwh == before
    bench.run_slot(2)
    bench.close()
    assert verify(bench.config.ledger_path).ok


def test_a_value_that_is_too_old_refuses_the_slot_and_nothing_is_booked(
    tmp_path: Path, kit: Any, replayed: Replayed
) -> None:
    config = kit.live_config(tmp_path, replayed.url)
    strict = tuple(each.model_copy(update={"keep": False}) for each in config.live.signals)
    live = config.live.model_copy(update={"signals": strict, "wait_s": 0.5})
    bench = kit.Bench(config.model_copy(update={"live": live}), make_policy("deta"))
    bench.join()
    replayed.lag = 9 * HOUR
    with pytest.raises(TryLaterError, match=r"electricity-maps Z0: .* s old; allowed are 21600 s") as raised:
        bench.coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    assert raised.value.code == "no_intensity"
    assert bench.coordinator.service.books.next_slot == 0
    replayed.lag = 0 * HOUR
    bench.run_slot(0)
    bench.close()
    assert kinds(config.ledger_path) == [(Kind.SIGNAL, 0), (Kind.DECISION, 0)]


def test_what_is_not_live_is_not_frozen(tmp_path: Path, kit: Any) -> None:
    bench = kit.Bench(kit.make_config(tmp_path), make_policy("deta"))
    assert bench.coordinator.service.freezing.due() is None
    bench.close()
