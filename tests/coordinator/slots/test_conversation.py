"""The conversation of a slot's market with its nodes, step by step with a market that only asks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from coordinator.negotiation.table import Agreed
from coordinator.slots.conversation import LONGEST_STATUS, Conversation, Said
from coordinator.slots.protocol import Effects, Refused
from protos import codec
from protos.messages.market import MarketCall, MarketKind, MarketNews, MarketTerms, Offers

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
AGREED = Agreed.nothing("rule: talked")
STATE = object()


def call(node: str, attempt: int = 0) -> MarketCall:
    return MarketCall(node, 7, 4, attempt, TERMS)


def news(node: str, round_: int, attempt: int = 0) -> MarketNews:
    return MarketNews(node, 7, 4, attempt, round_, ())


def offers(node: str, round_: int = 0, attempt: int = 0) -> Offers:
    return Offers(node, 7, 4, attempt, round_)


class Asking:
    """Calls all at the table, gives ``rounds`` rounds of news, agrees. ``fails``: after the first answers."""

    name = "asking"

    def __init__(self, rounds: int = 1, fails: Exception | None = None) -> None:
        self.rounds, self.fails = rounds, fails
        self.seated: list[tuple[tuple[str, ...], int]] = []
        self.heard: list[list[Offers]] = []

    def table(self, nodes: Sequence[str], attempt: int) -> Any:
        self.seated.append((tuple(nodes), attempt))
        return SimpleNamespace(nodes=nodes, attempt=attempt)

    def negotiate(self, table: Any, state: Any) -> Any:
        assert state is STATE
        self.heard.append((yield [call(node, table.attempt) for node in table.nodes]))
        if self.fails is not None:
            raise self.fails
        for round_ in range(1, 1 + self.rounds):
            self.heard.append((yield [news(node, round_, table.attempt) for node in table.nodes]))
        return AGREED


def talk(policy: Any, nodes: Sequence[str] = ("n0", "n1", "n2")) -> Conversation:
    return Conversation(policy, STATE, policy.table, nodes)


def assert_nobody_trades(market: Conversation, why: str) -> None:
    agreed = market.agreed
    assert agreed is not None
    assert (len(agreed.moves), len(agreed.transfers), agreed.notes, agreed.record) == (0, 0, {}, {})
    assert agreed.status == f"fallback: nobody trades, for {why}"


def refused(step: Callable[[], None]) -> tuple[str, str]:
    with pytest.raises(Refused) as caught:
        step()
    return caught.value.refusal.code, caught.value.refusal.reason


def test_a_conversation_from_call_to_agreement() -> None:
    policy = Asking()
    market = talk(policy)
    assert policy.seated == [(("n0", "n1", "n2"), 0)]
    assert (market.nodes, market.dropped, market.agreed) == (("n0", "n1", "n2"), [], None)
    assert market.awaiting() == ("n0", "n1", "n2")
    assert market.questions() == Effects((), tuple((node, call(node)) for node in market.nodes))
    for node in ("n2", "n0"):
        market.take(offers(node))
    assert market.awaiting() == ("n1",)
    assert market.questions() == Effects((), (("n1", call("n1")),))
    market.take(offers("n1"))
    assert market.questions() == Effects()
    assert market.step() is True
    assert policy.heard == [[offers(node) for node in ("n0", "n1", "n2")]], "in the order of the table"
    assert market.questions() == Effects((), tuple((node, news(node, 1)) for node in market.nodes))
    for node in market.nodes:
        market.take(offers(node, 1))
    assert market.step() is False
    assert policy.heard[1:] == [[offers(node, 1) for node in ("n0", "n1", "n2")]]
    assert market.agreed is AGREED
    assert (market.awaiting(), market.questions()) == ((), Effects())
    assert policy.seated == [(("n0", "n1", "n2"), 0)]


def test_costs_of_a_conversation_are_its_messages_as_encoded() -> None:
    market = talk(Asking(), ("n0", "node-1"))
    sizes = {node: [len(codec.encode_down(call(node)))] for node in market.nodes}
    assert market.said.body() == {
        "rounds": 1,
        "messages": 2,
        "down_bytes": {node: sizes[node][0] for node in market.nodes},
        "up_bytes": {},
    }
    for node in market.nodes:
        market.take(offers(node))
    market.step()
    for node in market.nodes:
        market.take(offers(node, 1))
    down = {n: sizes[n][0] + len(codec.encode_down(news(n, 1))) for n in market.nodes}
    up = {n: sum(len(codec.encode_up(offers(n, r))) for r in (0, 1)) for n in market.nodes}
    assert market.said == Said(2, 8, down, up)
    assert len(set(down.values()) | set(up.values())) == 4


def test_an_answer_to_another_question_and_another_answer_are_refused(
    caplog: pytest.LogCaptureFixture,
) -> None:
    market = talk(Asking())
    asked = (7, 4, 0, 0)
    for wrong in ({"epoch": 8}, {"slot": 5}, {"attempt": 1}, {"round": 1}):
        late = replace(offers("n0"), **wrong)
        said = (late.epoch, late.slot, late.attempt, late.round)
        assert refused(lambda late=late: market.take(late)) == (
            "stale_offers",
            f"offers of (epoch, slot, attempt, round) {said}; asked was {asked}",
        )
    assert refused(lambda: market.take(offers("n9"))) == (
        "stale_offers",
        f"offers of (epoch, slot, attempt, round) {asked}; asked was None",
    )
    market.take(offers("n0"))
    with caplog.at_level(logging.INFO):
        market.take(offers("n0"))
    assert caplog.messages == ["n0 repeated its offers of slot 4"]
    assert market.said.messages == 3 + 1
    other = replace(offers("n0"), trades=(1.0, 2.0))
    assert refused(lambda: market.take(other)) == (
        "offers_conflict",
        "n0 offered otherwise in round 0 before",
    )
    for node in ("n1", "n2"):
        market.take(offers(node))
    market.step()
    assert refused(lambda: market.take(offers("n0", 0)))[1].endswith("(7, 4, 0, 0); asked was (7, 4, 0, 1)")


def test_a_node_that_comes_back_is_asked_again_while_it_owes_an_answer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    market = talk(Asking())
    market.take(offers("n1"))
    with caplog.at_level(logging.INFO):
        assert market.question_for("n1") is None
        assert market.question_for("n9") is None
        assert caplog.messages == []
        assert market.question_for("n0") == call("n0")
    assert caplog.messages == ["n0 is asked again by the market of slot 4: it came back"]
    assert market.said.messages == 3 + 1, "a repeat is in the log alone"
    market.leave("n0")
    assert market.question_for("n0") is None


def test_who_owes_an_answer_or_leaves_is_dropped_and_the_market_opens_again_without_him() -> None:
    policy = Asking()
    market = talk(policy, ("n0", "n1", "n2", "n3"))
    market.leave("n3")
    market.leave("n3")
    market.leave("n9")
    assert market.dropped == ["n3"]
    assert market.awaiting() == ("n0", "n1", "n2")
    for node in ("n0", "n2", "n3"):
        market.take(offers(node))
    assert market.step() is True
    assert (market.nodes, market.dropped) == (("n0", "n2"), ["n3", "n1"])
    assert policy.seated == [(("n0", "n1", "n2", "n3"), 0), (("n0", "n2"), 1)]
    assert policy.heard == []
    assert market.questions() == Effects((), (("n0", call("n0", 1)), ("n2", call("n2", 1))))
    assert (market.said.rounds, market.said.messages) == (2, 4 + 3 + 2)
    market.take(offers("n2", attempt=1))
    assert market.step() is True
    assert (market.nodes, market.dropped) == (("n2",), ["n3", "n1", "n0"])
    assert policy.seated[2:] == [(("n2",), 2)]
    assert market.step() is False
    assert (market.nodes, market.dropped) == ((), ["n3", "n1", "n0", "n2"])
    assert_nobody_trades(market, "no node answered the market")
    assert market.questions() == Effects()


def test_who_leaves_after_the_agreement_stays_in_it() -> None:
    market = talk(Asking(rounds=0), ("n0",))
    market.take(offers("n0"))
    assert market.step() is False
    market.leave("n0")
    assert (market.agreed, market.dropped) == (AGREED, [])


@pytest.mark.parametrize(
    ("fails", "why"),
    [
        (ZeroDivisionError("no\nprice\x07  here"), "ZeroDivisionError: no price? here"),
        (KeyError("n0"), "KeyError: 'n0'"),
    ],
)
def test_a_market_that_fails_ends_without_a_trade_and_says_so(fails: Exception, why: str) -> None:
    market = talk(Asking(fails=fails))
    for node in market.nodes:
        market.take(offers(node))
    assert market.step() is False
    assert_nobody_trades(market, f"asking came to no agreement ({why})")
    assert market.questions() == Effects()
    assert market.dropped == []


def test_a_market_that_fails_at_once_was_no_round() -> None:
    class Broken(Asking):
        def negotiate(self, table: Any, state: Any) -> Any:
            raise OSError("x" * 1_000)

    market = talk(Broken())
    assert market.agreed is not None
    assert market.agreed.status.startswith(
        "fallback: nobody trades, for asking came to no agreement (OSError: x"
    )
    assert len(market.agreed.status) == LONGEST_STATUS
    assert market.said == Said()


def test_a_market_may_be_given_up_at_any_time() -> None:
    market = talk(Asking())
    market.give_up("the time is over")
    assert_nobody_trades(market, "the time is over")
    assert (market.awaiting(), market.questions()) == ((), Effects())
    assert market.nodes == ("n0", "n1", "n2")
