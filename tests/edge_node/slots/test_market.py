"""A node in a market: its answers, and repeats after a broken stream that are not metered again."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from edge_node.slots import market
from edge_node.slots.backlog import Backlog
from edge_node.slots.market import MarketSide
from edge_node.slots.node import EdgeNode
from edge_node.slots.savepoint import Together
from protos import codec
from protos.messages.market import MarketCall, MarketKind, MarketNews, MarketTerms, Offers
from protos.messages.slot import CloseSlot, Decision, Guest, OwnWork, Send, Usage
from protos.messages.stream import Welcome
from protos.messages.terms import Component, Stage
from protos.trading.own import Managed

MakeNode = Callable[..., EdgeNode]
TERMS = MarketTerms(
    kind=MarketKind.QUOTES,
    intensity_g_per_kwh=(400.0,),
    later_g_per_kwh=300.0,
    offload_cap_fraction=0.5,
    transfer_cap_fraction=0.8,
    net_j_per_byte=1e-6,
    bytes_per_batch=(100.0,),
    offloadable=(True,),
    scarcity=(),
)


def enter(node: EdgeNode) -> None:
    node.register("boot")
    node.on_welcome(Welcome("run", 1, 2.0, 6.0, 0, None, negotiates=True))


def negotiated_uj(usage: Usage) -> int:
    return sum(line.energy_uj for line in usage.lines if line.component is Component.NEGOTIATION)


def test_a_question_asked_again_is_answered_alike_and_metered_once(make_node: MakeNode) -> None:
    spent = []
    for times in (1, 4):
        node = make_node()
        enter(node)
        for question in (MarketCall("n0", 1, 0, 0, TERMS), MarketNews("n0", 1, 0, 0, 1, ())):
            said = [node.on_market(question) for _ in range(times)]
            assert all(one == said[0] for one in said)
            assert isinstance(said[0][0], Offers)
        spent.append(negotiated_uj(node.close(CloseSlot(1, 0))))
    assert spent[0] == spent[1] > 0


def test_both_ways_of_a_conversation_are_metered_with_their_own_factor(make_node: MakeNode) -> None:
    """The board of these tests sends a byte at 10 uJ and receives one at 20 uJ."""
    node = make_node()
    enter(node)
    questions = (MarketCall("n0", 1, 0, 0, TERMS), MarketNews("n0", 1, 0, 0, 1, ()))
    answers = [answer for question in questions for answer in node.on_market(question)]
    sent = sum(len(codec.encode_up(answer)) for answer in answers)
    heard = sum(len(codec.encode_down(question)) for question in questions)
    assert min(sent, heard) > 0
    assert negotiated_uj(node.close(CloseSlot(1, 0))) == 10 * sent + 20 * heard


def test_a_market_opened_again_is_metered_again(make_node: MakeNode) -> None:
    node, again = make_node(), make_node()
    for one in (node, again):
        enter(one)
        one.on_market(MarketCall("n0", 1, 0, 0, TERMS))
    again.on_market(MarketCall("n0", 1, 0, 1, TERMS))
    once, twice = (negotiated_uj(one.close(CloseSlot(1, 0))) for one in (node, again))
    assert twice > once


def test_news_without_a_call_is_not_answered(make_node: MakeNode) -> None:
    node = make_node()
    enter(node)
    assert node.on_market(MarketNews("n0", 1, 0, 0, 1, ())) == []
    assert negotiated_uj(node.close(CloseSlot(1, 0))) == 0


@pytest.mark.parametrize(
    ("managed", "sent", "guests", "home", "charge_uj", "discharge_uj"),
    [
        (Managed(5, 0.25, 1.5), 3, 2, 5, 250_000, 1_500_000),
        (Managed(0, 0.0, 0.0), 0, 0, 0, 0, 0),
        (Managed(99, 2.0, 3.0), 1, 0, 11, 2_000_000, 3_000_000),  # no more than there are
        # the market ended without asking: as LOCAL, all that time and what was sent leave room for
        (None, 3, 2, 8, 0, 7_000_000_000_000),  # 12 - 3 of the work, 10 - 2 of the time
        (None, 6, 1, 6, 0, 7_000_000_000_000),
        (None, 0, 13, 0, 0, 7_000_000_000_000),
    ],
)
def test_what_a_node_decides_for_itself_after_a_market(
    monkeypatch: pytest.MonkeyPatch,
    managed: Managed | None,
    sent: int,
    guests: int,
    home: int,
    charge_uj: int,
    discharge_uj: int,
) -> None:
    """Slot 1 with six batches of slot 0, due now, and six of slot 1, due later; half of a release may leave."""
    backlog = Backlog((Stage.DEVELOPMENT,) * 3, 1, lambda stage: 6)
    for slot in range(2):
        backlog.release(slot)
    asked: list[object] = []

    def told(*given: int) -> Managed | None:
        asked.append(given)
        return managed

    node: Any = SimpleNamespace(backlog=backlog, battery=SimpleNamespace(capacity_uj=7_000_000), config=None)
    node.savepoint = Together(node)
    side = MarketSide(node, lambda: None)  # type: ignore[arg-type,return-value]
    side._conversation = SimpleNamespace(managed=told, cap_fraction=0.5)  # type: ignore[assignment]
    monkeypatch.setattr(side, "_own", lambda slot: ("own", slot))

    def work_of(own: object, given_up: float, offloads: bool) -> SimpleNamespace:
        asked.append((own, given_up, offloads))
        return SimpleNamespace(available=12, capacity=10)

    monkeypatch.setattr(market, "Work", SimpleNamespace(of=work_of))
    slot = SimpleNamespace(slot=1, stage=Stage.DEVELOPMENT, charge_uj=None, discharge_uj=None, own_work=None)
    half = sent // 2
    decision = Decision(
        *("n0", 1, 1, Stage.DEVELOPMENT, True, 0),
        sends=(Send("n1", "a", half), Send("n2", "b", sent - half)),
        guests=(Guest("n1", guests), Guest("n3", 0)),
        export_uj=0,
        charge_uj=0,
        discharge_uj=0,
        deadline_s=1.0,
    )
    staying, leaving = side.manage(slot, decision)  # type: ignore[arg-type]
    assert asked[0] == (1, sent, guests)
    assert asked[1:] == ([(("own", slot), 0.0, False)] if managed is None else [])
    # those that leave are the least urgent, half of each release at most; those that stay the most urgent
    ids = list(range(12))
    away = [*ids[6 - max(sent - 3, 0) : 6], *ids[12 - min(sent, 3) :]]
    assert [batch.batch_id for batch in leaving] == away
    assert [batch.batch_id for batch in staying] == [each for each in ids if each not in away][:home]
    assert (slot.charge_uj, slot.discharge_uj) == (charge_uj, discharge_uj)
    assert slot.own_work == OwnWork(len(staying), (6, 6))
    assert sum(backlog.counts(1)) == 12 - len(staying) - len(leaving)
