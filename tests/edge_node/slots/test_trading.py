"""A node's own part of a market: what (D5) leaves to send, and the private state of its trader, whole, by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edge_node.config import NodeConfig
from edge_node.slots.backlog import Backlog, Batch
from edge_node.slots.trading import Conversation, OffloadRoom, own_of
from protos.messages.market import MarketCall, MarketKind, MarketNews, MarketTerms
from protos.messages.stream import NodeProfile
from protos.messages.terms import Stage
from protos.messages.work import WorkProfile

DEV, APP = Stage.DEVELOPMENT, Stage.APPLICATION
MakeConfig = Callable[..., NodeConfig]
PROFILE = NodeProfile(
    zone="NO",
    static_w=2.7,
    sleep_w=0.3,
    wake_j=1.1,
    wake_s=0.9,
    tx_j_per_byte=1.2e-7,
    rx_j_per_byte=0.7e-7,
    storage_bytes=12_345,
    battery_capacity_uj=50_000_000,
    charge_efficiency_fraction=0.93,
    discharge_efficiency_fraction=0.91,
    self_discharge_fraction=0.001,
    charge_limit_w=5.0,
    discharge_limit_w=4.0,
    export_loss_fraction=0.25,
    import_loss_fraction=0.125,
    work=(WorkProfile(DEV, 2.0, 3.0, 100, 0.25, 0.5), WorkProfile(APP, 7.0, 11.0, 200, 0.75, 1.5)),
    meter="modelled",
    provenance="modelled",
    num_examples=10,
    data_digest="0" * 64,
)


def waiting(stages: tuple[Stage, ...] = (DEV, DEV, DEV, APP), slots: int = 2) -> Backlog:
    """Four batches a slot of development, two of application; after ``slots`` releases."""
    backlog = Backlog(stages, 2, lambda stage: 4 if stage is DEV else 2)
    for slot in range(slots):
        backlog.release(slot)
    return backlog


def test_room_is_a_share_of_each_release_less_what_was_sent_of_it() -> None:
    """Half of four: two. One of slot 0 went, three of slot 1 (more than now allowed), and one of another stage."""
    backlog, room = waiting(), OffloadRoom()
    assert room.batches(backlog, DEV, 0.5) == {0: 2, 1: 2}
    room.add([Batch(2, 0, DEV, 0)])
    room.add([Batch(2, 4, DEV, 1), Batch(2, 5, DEV, 1), Batch(2, 6, DEV, 1)])
    room.add([Batch(3, 0, APP, 3)])
    assert room.batches(backlog, DEV, 0.5) == {0: 1, 1: 0}
    assert room.batches(backlog, DEV, 1.0) == {0: 3, 1: 1}
    assert room.batches(backlog, DEV, 0.3) == {0: 0, 1: 0}
    assert room.batches(backlog, APP, 0.5) == {}
    # A product that falls short of a whole batch by rounding alone is one.
    assert OffloadRoom().batches(Backlog((DEV,), 0, lambda stage: 10), DEV, 0.1) == {}
    ten = Backlog((DEV,), 0, lambda stage: 100)
    ten.release(0)
    assert OffloadRoom().batches(ten, DEV, 0.29) == {0: 29}


def test_the_least_urgent_of_the_stage_leave_within_their_release() -> None:
    backlog, room = waiting((DEV, DEV, DEV, DEV), 2), OffloadRoom()
    assert [batch.deadline for batch in backlog.waiting(DEV)] == [2] * 4 + [3] * 4
    assert [batch.batch_id for batch in room.choose(backlog, DEV, 0.5, 3)] == [3, 6, 7]
    assert [batch.batch_id for batch in room.choose(backlog, DEV, 0.5, 9)] == [2, 3, 6, 7]
    assert room.choose(backlog, DEV, 0.5, 0) == []
    room.add([Batch(3, 7, DEV, 1)])
    assert [batch.batch_id for batch in room.choose(backlog, DEV, 0.5, 2)] == [3, 7]
    assert room.choose(backlog, APP, 0.5, 2) == []
    assert len(backlog.waiting(DEV)) == 8, "choosing takes nothing"


def test_own_state_whole_by_hand() -> None:
    """In slot 1 of four, with a look-ahead of three slots, the last of another stage."""
    backlog, room = waiting(), OffloadRoom()
    backlog.take(DEV, 1)
    room.add([Batch(2, 1, DEV, 0)])
    own = own_of(
        PROFILE,
        slot=1,
        slot_s=60.0,
        stages=(DEV, DEV, APP),
        battery_uj=7_500_000,
        harvest_uj=(1_000_000, 2_000_000, 3_000_000),
        backlog=backlog,
        room=room,
        cap_fraction=0.5,
        wake_s=0.5,
    )
    found = {name: getattr(own, name) for name in own.__dataclass_fields__}
    found = {name: v.tolist() if isinstance(v, np.ndarray) else v for name, v in found.items()}
    assert found == {
        "slot_s": 60.0,
        "harvest_j": [1.0, 2.0, 3.0],
        "battery_j": 7.5,
        "backlog_batches": (0, 7, 0),
        "room_batches": (0, 3, 0),
        "release_batches": (4, 2),
        "static_w": 2.7,
        "seconds_per_batch": [2.0, 2.0, 7.0],
        "joules_per_batch": [3.0, 3.0, 11.0],
        "model_j": [0.25, 0.25, 0.75],
        "request_j": [0.5, 0.5, 1.5],
        "tx_j_per_byte": 1.2e-7,
        "rx_j_per_byte": 0.7e-7,
        "storage_bytes": 12_345.0,
        "export_efficiency": 0.75,
        "import_efficiency": 0.875,
        "battery_capacity_j": 50.0,
        "charge_efficiency": 0.93,
        "discharge_efficiency": 0.91,
        "self_discharge_fraction": 0.001,
        "charge_limit_w": 5.0,
        "discharge_limit_w": 4.0,
        "wake_s": 0.5,
        "release_last_slots": (1, 2),
    }


def test_stages_without_work_cost_nothing() -> None:
    backlog = Backlog((Stage.UNALLOCATED, DEV), 0, lambda stage: 0)
    own = own_of(
        PROFILE,
        slot=0,
        slot_s=60.0,
        stages=(Stage.UNALLOCATED, DEV),
        battery_uj=0,
        harvest_uj=(0, 0),
        backlog=backlog,
        room=OffloadRoom(),
        cap_fraction=0.5,
        wake_s=0.0,
    )
    assert own.seconds_per_batch.tolist() == [0.0, 2.0]
    assert own.joules_per_batch.tolist() == [0.0, 3.0]


def test_a_conversation_is_of_one_slot() -> None:
    terms = MarketTerms(
        kind=MarketKind.QUOTES,
        intensity_g_per_kwh=(400.0,),
        later_g_per_kwh=300.0,
        offload_cap_fraction=0.375,
        transfer_cap_fraction=0.8,
        net_j_per_byte=1e-6,
        bytes_per_batch=(100.0,),
        offloadable=(True,),
        scarcity=(),
    )
    talk = Conversation()
    assert (talk.answered, talk.question, talk.cap_fraction) == (True, None, 0.0)
    assert talk.is_new(0)
    assert talk.managed(-1, 0, 0) is None
    call = MarketCall("n0", 1, 0, 0, terms)
    talk.hear(call)
    assert (talk.answered, talk.question, talk.cap_fraction) == (False, call, 0.375)
    news = MarketNews("n0", 1, 0, 0, 1, ())
    talk.hear(news)
    assert (talk.question, talk.cap_fraction) == (news, 0.375)
    backlog = waiting((DEV,), 1)
    own = own_of(
        PROFILE,
        slot=0,
        slot_s=60.0,
        stages=(DEV,),
        battery_uj=0,
        harvest_uj=(9_000_000,),
        backlog=backlog,
        room=OffloadRoom(),
        cap_fraction=0.5,
        wake_s=0.0,
    )
    talk.begin(0, own)
    assert not talk.is_new(0)
    assert talk.is_new(1)
    assert talk.managed(0, 0, 0) is None, "no question was answered yet"
    talk.hear(call)
    offers, repeated = talk.answer()
    assert (talk.answered, repeated) == (True, False)
    talk.hear(call)
    again, repeated = talk.answer()
    assert (again, repeated) == (offers, True)
    assert talk.managed(0, 0, 0) is not None
    assert talk.managed(1, 0, 0) is None
