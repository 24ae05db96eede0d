"""A node in a market: its answers, and repeats after a broken stream that are not metered again."""

from __future__ import annotations

from collections.abc import Callable

from edge_node.slots.node import EdgeNode
from protos import codec
from protos.messages.market import MarketCall, MarketKind, MarketNews, MarketTerms, Offers
from protos.messages.slot import CloseSlot, Usage
from protos.messages.stream import Welcome
from protos.messages.terms import Component

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
