"""Slots decided by a market: messages on the wire, nodes that do not answer, repeats, a coordinator restart."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from coordinator.ledger import verify
from coordinator.negotiation.policies.admm import Admm
from coordinator.negotiation.policies.auction import Auction
from coordinator.negotiation.policies.belief import BeliefAuction
from coordinator.slots.negotiating import MarketHost
from coordinator.slots.protocol import Effects, Refused, RequestError
from coordinator.slots.run_time import RunTime
from coordinator.slots.schedule import Schedule
from coordinator.tables.export import ledger_tables
from protos import codec
from protos.messages.market import MarketCall, MarketNews, Offers
from protos.messages.runner import BeginSlot, EndSlot
from protos.messages.slot import Telemetry
from protos.messages.stream import Register
from protos.messages.terms import Stage

POLICIES = [Auction(), Auction(mcafee=True), BeliefAuction(slots_per_day=2), Admm(rounds=30)]
IDS = ["auction", "mcafee", "belief", "admm"]


def open_bench(kit: Any, folder: Path, policy: Any) -> Any:
    bench = kit.Bench(kit.make_config(folder, horizon_slots=2), policy)
    stub = kit.TradingStub
    bench.nodes = {node: stub(node) for node in bench.config.node_ids}
    bench.said = []
    receive = type(bench.coordinator).receive

    def record(node: str, message: Any) -> None:
        bench.said.append(message)
        receive(bench.coordinator, node, message)

    bench.coordinator.receive = record
    return bench


@pytest.fixture(params=POLICIES, ids=IDS)
def bench(request: Any, tmp_path: Path, kit: Any) -> Iterator[Any]:
    made = open_bench(kit, tmp_path, request.param)
    yield made
    made.close()


def test_no_private_quantity_is_sent_before_a_slot_is_decided(bench: Any) -> None:
    """Before the first decision a node sends only its registration and its offers; later, readings of slots that
    have ended come in between, never a backlog, a forecast or a battery before its slot was decided."""
    bench.join()
    bench.coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    assert {type(message) for message in bench.said} == {Register, Offers}
    allowed = {"node_id", "epoch", "slot", "attempt", "round", "quotes", "trades"}
    assert {field.name for field in dataclasses.fields(Offers)} == allowed
    bench.coordinator.end_slot(EndSlot(0, 1.0, 1000, 10))
    bench.said.clear()
    bench.coordinator.begin_slot(BeginSlot(1, Stage.DEVELOPMENT, 1.0))
    assert {type(message) for message in bench.said} == {Offers}
    assert not any(isinstance(message, Telemetry) for message in bench.said)
    assert bench.coordinator.service.books.slots[1].telemetry == {}


def test_a_negotiated_run_has_sound_books_and_a_line_for_the_negotiation(bench: Any) -> None:
    bench.join()
    for slot in range(4):
        summary = bench.run_slot(slot)
        assert set(summary.settled_nodes) == set(bench.nodes)
        assert summary.executed_batches == 3 * 6
        assert summary.unserved_batches == 0
        market = bench.coordinator.service.books.slots[slot].market
        assert market["messages"] >= 2 * 2 * 3
        said = sum(market["down_bytes"].values()) + sum(market["up_bytes"].values())
        held = bench.coordinator.service.books.balances
        booked = [v for (account, _), v in held.items() if account == "network/stage/development/negotiation"]
        assert booked
        assert said > 0
    report = verify(bench.config.ledger_path)
    assert report.ok, report.findings


def test_every_byte_of_a_conversation_is_counted_at_its_node_once(bench: Any) -> None:
    """As encoded: questions down, answers up, by node."""
    bench.join()
    bench.coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    market = bench.coordinator.service.books.slots[0].market
    for node in bench.nodes:
        asked = [m for who, m in bench.heard if who == node and isinstance(m, MarketCall | MarketNews)]
        answered = [m for m in bench.said if isinstance(m, Offers) and m.node_id == node]
        assert market["down_bytes"][node] == sum(len(codec.encode_down(m)) for m in asked) > 0
        assert market["up_bytes"][node] == sum(len(codec.encode_up(m)) for m in answered) > 0
        assert market["rounds"] == len(asked) == len(answered)


def test_tables_say_what_a_market_cost_both_ways(tmp_path: Path, kit: Any) -> None:
    bench = open_bench(kit, tmp_path, Auction())
    bench.join()
    bench.mute.add("n02")
    bench.coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    market = bench.coordinator.service.books.slots[0].market
    start = datetime(2024, 6, 1, tzinfo=UTC)
    row = ledger_tables(bench.config.ledger_path, start=start, trace_step_s=3600.0)["decisions"].iloc[0]
    bench.close()
    down, up = sum(market["down_bytes"].values()), sum(market["up_bytes"].values())
    assert min(down, up) > 0
    assert row["market_bytes"] == down + up
    assert (row["market_rounds"], row["market_messages"]) == (market["rounds"], market["messages"])
    assert row["market_rounds"] != row["market_messages"]
    assert row["market_silent_nodes"] == 1


def test_due_work_that_a_node_of_a_market_left_undone_is_unserved(bench: Any) -> None:
    """Its backlog is private until its reading discloses it: six batches, of which two were not run."""
    bench.join()
    bench.coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    slot, stub = bench.coordinator.service.books.slots[0], bench.nodes["n00"]
    assert slot.backlog("n00") is None
    decided = stub.decisions[0]
    assert decided.own_batches >= 2
    stub.decisions[0] = dataclasses.replace(decided, own_batches=decided.own_batches - 2)
    summary = bench.coordinator.end_slot(EndSlot(0, 1.0))
    assert slot.backlog("n00") == (6,)
    assert summary.unserved_batches == 2
    assert summary.executed_batches == 3 * 6 - 2


def test_a_node_that_does_not_answer_is_dropped_and_the_others_trade(bench: Any) -> None:
    bench.join()
    bench.mute.add("n01")
    plan = bench.coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    assert {decision.node_id for decision in plan.decisions} == {"n00", "n02"}
    assert plan.lost_nodes == ("n01",)
    assert bench.coordinator.service.books.slots[0].market["silent"] == ["n01"]
    peers = {send.executor for decision in plan.decisions for send in decision.sends}
    assert "n01" not in peers
    summary = bench.coordinator.end_slot(EndSlot(0, 1.0))
    assert summary.missing_nodes == ("n01",)


def test_a_decided_slot_is_not_negotiated_again(bench: Any) -> None:
    bench.join()
    plan = bench.coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    bench.said.clear()
    assert bench.coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0)) == plan
    assert bench.said == []
    bench.restart()
    bench.join()
    again = bench.coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    assert again == plan
    assert all(node.executed_twice == 0 for node in bench.nodes.values())


def test_a_coordinator_that_restarts_during_the_market_opens_it_again(bench: Any) -> None:
    bench.join()
    service = bench.coordinator.service
    bench.coordinator.carry_out(service.negotiating.open())
    assert service.negotiating.awaiting_offers() == ()
    assert bench.coordinator.service.books.next_slot == 0
    bench.restart()  # the conversation is neither durable nor binding
    bench.join()
    plan = bench.coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    assert plan.epoch == 2
    assert len(plan.decisions) == 3


def test_a_policy_goes_on_from_the_public_record(tmp_path: Path, kit: Any) -> None:
    bench = open_bench(kit, tmp_path, BeliefAuction(slots_per_day=2))
    bench.join()
    bench.run_slot(0)
    bench.run_slot(1)
    before = bench.coordinator.service.policy.state
    bench.restart()
    after = bench.coordinator.service.policy.state
    assert before.keys() == after.keys()
    for nodes in before:
        np.testing.assert_array_equal(before[nodes].counts, after[nodes].counts)
    bench.close()


def test_repeated_offers_change_nothing_and_stale_ones_are_refused(tmp_path: Path, kit: Any) -> None:
    bench = open_bench(kit, tmp_path, Auction())
    bench.join()
    service = bench.coordinator.service
    bench.coordinator.carry_out(service.negotiating.open())
    first = next(message for message in bench.said if isinstance(message, Offers))
    said = service.negotiating.market.said.body()
    service.negotiating.take(first)
    assert service.negotiating.market.said.body() == said
    with pytest.raises(Refused, match="offered otherwise"):
        service.negotiating.take(dataclasses.replace(first, quotes=()))
    with pytest.raises(Refused, match="asked was"):
        service.negotiating.take(dataclasses.replace(first, round=1))
    bench.close()


def test_a_broken_stream_repeats_messages_but_books_them_once(tmp_path: Path, kit: Any) -> None:
    """Questions and answers that are repeated after a reconnection are in the log and not in the ledger."""
    plain, broken = (open_bench(kit, tmp_path / name, Auction()) for name in ("plain", "broken"))
    plain.join()
    plain.coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    broken.join()
    broken.mute.add("n01")
    service = broken.coordinator.service
    broken.coordinator.carry_out(service.negotiating.open())
    assert service.negotiating.awaiting_offers() == ("n01",)
    broken.mute.clear()
    for _ in range(3):
        broken.coordinator.carry_out(service.register(broken.nodes["n01"].register())[1])
    broken.join()
    while (said := service.negotiating.step()) is not None:
        broken.coordinator.carry_out(said)
    _, effects = service.negotiating.adopt(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    broken.coordinator.carry_out(effects)
    one, two = (bench.coordinator.service.books.slots[0].market for bench in (plain, broken))
    assert one == two
    assert two["silent"] == []
    plain.close()
    broken.close()


def test_after_a_failed_market_every_node_manages_itself(tmp_path: Path, kit: Any) -> None:
    class Broken(Auction):
        def negotiate(self, table: Any, state: Any) -> Any:
            yield from super().negotiate(table, state)
            raise ZeroDivisionError("no price")

    bench = open_bench(kit, tmp_path, Broken())
    bench.join()
    plan = bench.coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    assert plan.status.startswith("fallback: nobody trades")
    assert not any(decision.sends or decision.export_uj for decision in plan.decisions)
    assert bench.coordinator.end_slot(EndSlot(0, 1.0)).executed_batches == 18
    bench.close()


class Market:
    """A conversation that says what it is asked."""

    def __init__(self, goes_on: bool = True) -> None:
        self.calls: list[Any] = []
        self.goes_on = goes_on
        self.agreed: Any = None
        self.nodes: tuple[str, ...] = ()

    def awaiting(self, among: Sequence[str] | None = None) -> tuple[str, ...]:
        return tuple(node for node in ("n02", "n00", "n09") if among is None or node in among)

    def questions(self) -> str:
        return "questions"

    def step(self) -> bool:
        return self.goes_on

    def give_up(self, why: str) -> None:
        self.calls.append(("give_up", why))

    def take(self, message: Any) -> None:
        self.calls.append(("take", message))

    def leave(self, node: str) -> None:
        self.calls.append(("leave", node))

    def question_for(self, node: str) -> Any:
        return f"question for {node}"


def host(market: Market | None, live: tuple[str, ...] = ("n00", "n01"), **books: Any) -> MarketHost:
    config = SimpleNamespace(node_ids=("n00", "n01", "n02", "n03"))
    known = SimpleNamespace(config=config, next_slot=0, nodes={}, **books)
    sessions: Any = SimpleNamespace(
        live=lambda: live, living=lambda nodes: tuple(node for node in nodes if node in live)
    )
    policy: Any = SimpleNamespace(policy=Auction(), state=None)
    made = MarketHost(known, sessions, policy, Schedule(lambda: RunTime.start(60.0, None), float))  # type: ignore[arg-type]
    made.market = market  # type: ignore[assignment]
    return made


def test_a_market_waits_for_nodes_before_the_first_slot_alone() -> None:
    first = host(None)
    assert first.awaiting_nodes() == ("n02", "n03")
    assert first.awaiting_nodes(("n03",)) == ("n03",)
    assert first.awaiting_nodes(("n00",)) == ()
    first._books.next_slot = 1
    assert first.awaiting_nodes() == ()
    with pytest.raises(RequestError, match="no live node is registered; the market has no node to ask"):
        first.open()


def test_what_a_host_asks_of_its_market() -> None:
    without = host(None)
    assert without.awaiting_offers() == ()
    assert without.question_for("n01") is None
    without.leave("n01")
    offers = Offers("n01", 1, 0, 0, 0, (), ())
    with pytest.raises(Refused) as caught:
        without.take(offers)
    assert caught.value.refusal.code == "no_market"
    assert caught.value.refusal.reason == "no market is open; offers of n01 came too late"
    market = Market()
    hosting = host(market)
    assert hosting.awaiting_offers() == ("n00",)
    assert hosting.awaiting_offers(("n00", "n01")) == ("n00",)
    assert hosting.awaiting_offers(("n01", "n02")) == ()
    assert hosting.question_for("n01") == "question for n01"  # type: ignore[comparison-overlap]
    hosting.leave("n01")
    assert hosting.take(offers) == Effects()
    assert hosting.step() == "questions"  # type: ignore[comparison-overlap]
    market.goes_on = False
    assert hosting.step() is None
    assert hosting.step(out_of_time=True) is None
    assert market.calls == [
        ("leave", "n01"),
        ("take", offers),
        ("give_up", "the time for negotiating is over"),
    ]
    market.agreed = "something"
    with pytest.raises(RequestError, match="no node answered the market of slot 3"):
        hosting.adopt(BeginSlot(3, Stage.DEVELOPMENT, 1.0))
    assert hosting.market is None
