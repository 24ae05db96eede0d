"""A node's side of the protocol: every message of the coordinator, and what comes of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from carbon_data.storage import EnergyError
from edge_node.meters.base import MeterError
from edge_node.slots.errors import InvalidDecision, NodeError, NotReady, StaleDecision
from edge_node.slots.link import LocalLink, Response, deliver_locally, require_ready, respond, tick
from edge_node.slots.slot import Readiness
from protos.messages.market import MarketCall, MarketKind, MarketNews, MarketTerms
from protos.messages.parcels import Parcel, Receipt
from protos.messages.slot import CloseSlot, EnergyGrant, Guest, Send
from protos.messages.stream import Ack, Refusal, Welcome
from tests.edge_node.slots.steps import MakeNode, decide

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
READY = Readiness(True, (), (), over=False)


class Puppet:
    """Answers as told, and keeps what it was called with. ``moves``: a refusal takes it to the next slot."""

    node_id = "n0"

    def __init__(self, moves: bool = False, **answers: Any) -> None:
        self.slot, self.moves, self.answers = 3, moves, answers
        self.calls: list[tuple[str, Any]] = []

    def __getattr__(self, name: str) -> Any:
        def call(*given: Any) -> Any:
            self.calls.append((name, *given))
            if name == "on_refusal" and self.moves:
                self.slot += 1
            answer = self.answers.get(name, [])
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


def parcel(executor: str) -> Parcel:
    return Parcel("run", 1, 3, "n0", executor, (0,), (), (5,))


WELCOME = Welcome("run", 1, 2.0, 6.0, 3)
ACK, GRANT, CLOSE = Ack("n0", 5), EnergyGrant("n0", 1, 3, 0, 0), CloseSlot(1, 3)
CLOSE_FIRST = CloseSlot(1, 0)
REFUSAL = Refusal("not_traded", "wait")
CALL, NEWS = MarketCall("n0", 1, 3, 0, TERMS), MarketNews("n0", 1, 3, 0, 1, ())
DECISION = decide("n0", 3, sends=(Send("n2", "b:2", 1), Send("n1", "a:1", 1)))


@pytest.mark.parametrize(
    ("message", "answers", "up", "calls"),
    [
        (
            WELCOME,
            {"unacknowledged": ["reading"], "before_slot": ["told"]},
            ["reading"],
            ["on_welcome", "unacknowledged"],
        ),
        (WELCOME, {"before_slot": ["told"]}, ["told"], ["on_welcome", "unacknowledged", "before_slot"]),
        (ACK, {"before_slot": ["told"]}, [], ["acknowledged"]),
        (CLOSE, {"close": "usage", "before_slot": ["told"]}, ["usage"], ["close"]),
        (
            GRANT,
            {"on_grant": "settlement", "before_slot": ["told"]},
            ["settlement", "told"],
            ["on_grant", "before_slot"],
        ),
        (CALL, {"on_market": ["offers"]}, ["offers"], ["on_market"]),
        (NEWS, {"on_market": ["offers"]}, ["offers"], ["on_market"]),
        (REFUSAL, {"before_slot": ["told"]}, [], ["on_refusal"]),
    ],
)
def test_every_message_reaches_its_part_of_the_node(
    message: Any, answers: dict[str, Any], up: list[str], calls: list[str]
) -> None:
    node: Any = Puppet(**answers)
    assert respond(node, message) == Response(up, [])
    assert [call[0] for call in node.calls] == calls
    assert node.calls[0][1:] == (message,)


def test_a_refusal_that_ends_a_slot_begins_the_next() -> None:
    node: Any = Puppet(moves=True, before_slot=["told"])
    assert respond(node, REFUSAL) == Response(["told"])


def test_parcels_of_a_decision_leave_for_the_addresses_that_it_gives() -> None:
    one, two = parcel("n1"), parcel("n2")
    node: Any = Puppet(on_decision=[one, two])
    assert respond(node, DECISION) == Response([], [("a:1", one), ("b:2", two)])


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NodeError("no"), "node"),
        (StaleDecision("no"), "stale"),
        (InvalidDecision("no"), "invalid"),
        (NotReady("no"), "not-ready"),
        (EnergyError("no"), "energy"),
    ],
)
def test_what_a_node_cannot_do_is_refused_with_code_and_reason(error: Exception, code: str) -> None:
    node: Any = Puppet(close=error, before_slot=["told"])
    assert respond(node, CLOSE) == Response([Refusal(code, "no")])


def test_a_meter_without_a_reading_is_refused_and_the_next_slot_begins() -> None:
    failed = MeterError("no joules\x00 in\n the window" + "!" * 600)
    said = Refusal("meter", ("no joules  in  the window" + "!" * 600)[:500])
    node: Any = Puppet(close=failed, before_slot=["told"])
    assert respond(node, CLOSE) == Response([said, "told"])  # type: ignore[list-item]
    node = Puppet(tick=failed, before_slot=["told"])
    assert tick(node) == Response([said, "told"])  # type: ignore[list-item]
    node = Puppet(tick=["late"], before_slot=["told"])
    assert tick(node) == Response(["late"])  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("receipt", "outcome"),
    [
        (Receipt(True, 5), "parcel_delivered"),
        (Receipt(False, 0, "full"), "parcel_failed"),
        (None, "parcel_failed"),
    ],
)
def test_a_parcel_in_one_process_is_delivered_where_its_executor_takes_it(
    receipt: Receipt | None, outcome: str
) -> None:
    """None: the executor is not there. What leaves is what the node made of the plan's parcel."""
    plan, sent = parcel("n1"), parcel("n1")
    node, executor = Puppet(read_ahead=sent), Puppet(on_parcel=receipt)
    links: Any = {} if receipt is None else {"n1": SimpleNamespace(node=executor)}
    deliver_locally(node, links, plan)  # type: ignore[arg-type]
    assert node.calls == [("read_ahead", plan), (outcome, sent)]
    assert executor.calls == ([] if receipt is None else [("on_parcel", sent)])


def test_a_local_link_is_entered_registers_its_start_and_leaves(make_node: MakeNode) -> None:
    links: dict[str, LocalLink] = {}
    node = make_node(0)
    link = LocalLink(node, links, "boot-7")
    assert links == {"n0": link}
    assert (link.node, link.address, link.infer_address) == (node, "", "")
    link.start()
    said = link.register()
    assert (said.node_id, said.boot_id, said.peer_address) == ("n0", "boot-7", "")
    assert node.boot_id == "boot-7"
    (told,) = link.receive(Welcome("run", 1, 2.0, 6.0, 0))
    assert (told.node_id, told.slot) == ("n0", 0)  # type: ignore[union-attr]
    assert link.receive(Ack("n0", 0)) == []
    assert link.tick() == [told]
    link.close()
    link.close()
    assert links == {}


def test_in_one_process_what_has_not_come_is_given_up_at_once(make_node: MakeNode) -> None:
    link = LocalLink(make_node(0), {}, "boot")
    link.register()
    link.receive(Welcome("run", 1, 2.0, 6.0, 0))
    with pytest.raises(NotReady, match=r"^n0 cannot run slot 0: no decision has come$"):
        link.wait_ready(0, 1.0)
    link.receive(decide("n0", 0, own=1, guests=(Guest("n1", 1),)))
    with pytest.raises(NotReady, match=r"^n0 cannot run slot 0: no batches from n1$"):
        require_ready(link.node, 0)
    assert link.wait_ready(0, 1.0) == READY
    with pytest.raises(NotReady, match=r"^n0 cannot run slot 1: no decision has come$"):
        require_ready(link.node, 1)


def test_parcels_of_nodes_in_one_process_go_from_one_to_the_other(make_node: MakeNode) -> None:
    links: dict[str, LocalLink] = {}
    for k in range(2):
        link = LocalLink(make_node(k), links, "boot")
        link.register()
        link.receive(Welcome("run", 1, 2.0, 6.0, 0))
    sends = (Send("n1", "", 2), Send("n9", "", 1))
    assert links["n0"].receive(decide("n0", 0, own=3, sends=sends)) == []
    links["n1"].receive(decide("n1", 0, own=1, guests=(Guest("n0", 2),)))
    assert [links[node].wait_ready(0, 1.0) for node in links] == [READY, READY]
    usages = [links[node].receive(CLOSE_FIRST)[0] for node in links]
    assert [[(m.peer, m.sent, m.batches) for m in usage.moved] for usage in usages] == [  # type: ignore[union-attr]
        [("n1", True, 2)],
        [("n0", False, 2)],
    ]
