"""Offsets of nodes' clocks, with their uncertainty: measured over ways there and back, and a slot refused without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from coordinator.ledger import verify
from coordinator.ledger.entry import Kind
from coordinator.ledger.store import read_entries
from coordinator.policies.registry import make_policy
from coordinator.slots.clocks import NS_PER_S, ROUND_TRIPS, Offset
from coordinator.slots.protocol import Effects, TryLaterError
from protos.messages.runner import BeginSlot
from protos.messages.stream import ClockAnswer, ClockQuestion, Heartbeat, Heartbeats
from protos.messages.terms import Overrun, Stage

AHEAD_NS = 5 * NS_PER_S


@pytest.fixture
def bench(tmp_path: Path, kit: Any) -> Any:
    """Slots of 60 s of virtual seconds; each message of n00 takes its way, as the test says."""
    made = kit.Bench(kit.make_config(tmp_path, overrun=Overrun.STRETCH, lease_s=1e9), make_policy("local"))
    for node, stub in made.nodes.items():
        stub.lasted_s = kit.SLOT_S
        by_ns = AHEAD_NS if node == "n00" else 0
        stub.clock_ns = lambda by_ns=by_ns: round(made.now * NS_PER_S) + by_ns
    yield made
    made.close()


def delay(bench: Any, ways_s: list[float], node: str = "n00") -> None:
    """The next questions to ``node`` take so long, all of it on the way there."""
    deliver, ways = bench.coordinator.deliver, iter(ways_s)

    def slow(to: str, message: Any) -> None:
        if isinstance(message, ClockQuestion) and to == node:
            bench.now += next(ways, 0.0)
        deliver(to, message)

    bench.coordinator.deliver = slow


def clocks_of(bench: Any, node: str = "n00") -> list[dict[str, Any]]:
    entries = [stored.entry for stored in read_entries(bench.config.ledger_path)]
    return [dict(e.body) for e in entries if e.kind is Kind.CLOCK and e.node_id == node]


def test_the_shortest_of_sixteen_ways_counts_and_half_of_it_is_the_uncertainty(bench: Any) -> None:
    delay(bench, [9.0, 7.0, 0.5, *[3.0] * 13])
    bench.join()
    (told,) = clocks_of(bench)
    assert told["round_trips"] == ROUND_TRIPS
    assert told["uncertainty_ns"] == 0.25 * NS_PER_S
    assert abs(told["offset_ns"] - AHEAD_NS) <= told["uncertainty_ns"], "the truth is within it"
    assert told["boot_id"] == "boot1"
    assert clocks_of(bench, "n01")[0]["offset_ns"] == 0


def test_a_slot_is_refused_by_name_where_a_clock_is_known_to_no_tenth_of_it(bench: Any, kit: Any) -> None:
    allowed = 0.1 * kit.SLOT_S
    delay(bench, [2 * allowed + 1.0] * ROUND_TRIPS)
    bench.join()
    request = BeginSlot(0, Stage.DEVELOPMENT, 1.0)
    with pytest.raises(
        TryLaterError, match=r"slot 0 is refused: the clock of n00 is known to .* s only"
    ) as error:
        bench.coordinator.begin_slot(request)
    assert error.value.code == "clock_uncertain"
    assert "time.slot_s" in str(error.value)
    for node in bench.nodes:
        bench.coordinator.receive(
            node, Heartbeat(node, "boot1", 0, 1)
        )  # it is asked again with the next word
    bench.run_slot(0)
    assert len(clocks_of(bench)) == 2


def test_a_node_that_does_not_answer_is_named(bench: Any) -> None:
    bench.drop = lambda node, message: isinstance(message, ClockAnswer) and node == "n01"
    bench.join()
    with pytest.raises(TryLaterError, match="the clock of n01 has not been read"):
        bench.coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    bench.drop = lambda node, message: False
    bench.now += 31.0
    beats = tuple(Heartbeat(node, "boot1", 0, 1) for node in ("n00", "n01"))
    bench.coordinator.receive("n00", Heartbeats(beats))  # n01 is asked on its own stream
    bench.run_slot(0)


def test_clocks_are_measured_again_as_they_drift_and_one_that_jumps_is_an_alarm(bench: Any) -> None:
    bench.join()
    bench.run_slot(0)
    bench.run_slot(1)
    drifted = clocks_of(bench)
    assert len(drifted) >= 2
    assert not bench.coordinator.service.books.alarms
    stub = bench.nodes["n00"]
    right = stub.clock_ns
    stub.clock_ns = lambda: right() + 60 * NS_PER_S
    bench.run_slot(2)
    bench.run_slot(3)
    alarms = [s.entry for s in read_entries(bench.config.ledger_path) if s.entry.kind is Kind.ALARM]
    assert [(entry.node_id, entry.body["alarm"]) for entry in alarms] == [("n00", "clock_jump")]
    assert "n00's clock moved by 5" in alarms[0].body["reason"], "60 s, less what drift allows in a slot"
    report = verify(bench.config.ledger_path)
    assert report.ok, report.findings
    assert "1 alarm: clock_jump" in report.notices


def test_a_restarted_coordinator_measures_anew(bench: Any) -> None:
    bench.join()
    bench.run_slot(0)
    before = len(clocks_of(bench))
    bench.restart()
    bench.join()
    bench.run_slot(1)
    assert [told["epoch"] for told in clocks_of(bench)][before:] == [2]
    assert verify(bench.config.ledger_path).ok


def test_clocks_that_are_not_known_well_enough_are_measured_again_on_demand(bench: Any, kit: Any) -> None:
    delay(bench, [0.3 * kit.SLOT_S] * ROUND_TRIPS)
    bench.join()
    service = bench.coordinator.service
    assert service.unknown_clocks() == ("n00",)
    asked = service.clocks.ask(["n00", "n01"])
    assert [node for node, _ in asked] == ["n00", "n01"]
    assert service.clocks.asked(["n00", "n02"]) == ("n00",)
    assert service.clocks.ask(["n00"]) == (), "it is under way"
    bench.coordinator.carry_out(Effects((), asked))
    assert service.unknown_clocks() == ()


def test_an_answer_to_an_older_question_is_passed_over(bench: Any) -> None:
    bench.join()
    late = ClockAnswer("n00", "boot1", 1, 10**18)
    assert bench.coordinator.service.clocks.take(late) == Effects()


def test_on_the_virtual_clock_nobody_is_asked(tmp_path: Path, kit: Any) -> None:
    made = kit.Bench(kit.make_config(tmp_path), make_policy("local"))
    made.join()
    made.run_slot(0)
    assert not [message for _, message in made.heard if isinstance(message, ClockQuestion)]
    assert clocks_of(made) == []
    made.close()


def test_uncertainty_grows_with_age_and_a_move_within_it_is_no_jump() -> None:
    first = Offset("b", 0, 0, 1_000)
    assert first.known_to_ns(NS_PER_S) == pytest.approx(1_000 + 1e6)
    assert first.moved_ns(Offset("b", NS_PER_S, 900_000, 1_000)) == 0
    assert first.moved_ns(Offset("b", NS_PER_S, -2_000_000, 1_000)) == pytest.approx(998_000, abs=2)
