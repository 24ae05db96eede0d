"""Warnings about payloads of batches that move."""

from __future__ import annotations

import pytest

from edge_node.serving.arrivals import RequestPlan
from edge_node.serving.requests import RequestWorkload
from edge_node.slots.parcels import pack
from edge_node.tasks.build import build_workload
from experiments.resolve import in_flight
from experiments.resolve.resolve import resolve
from experiments.scenario.model import parse_scenario
from protos.messages.parcels import payload_bytes
from protos.messages.terms import Stage

SCENARIO = """policy = "{policy}"
[stages]
preparation = 0
development = 2
application = 0
recycling = 0
[task]
name = "none"
[demand]
busy_fraction = 0.5
bytes_per_batch = {size}
[board]
storage_bytes = 20_000_000_000
[fleet]
kind = "{kind}"
[[nodes]]
zone = "PL"
count = 2
"""


def warnings(size: int, policy: str = "dat", kind: str = "inprocess") -> list[str]:
    found = resolve(parse_scenario(SCENARIO.format(size=size, policy=policy, kind=kind))).warnings
    return [each for each in found if "demand.bytes_per_batch" in each]


@pytest.fixture(autouse=True)
def _eight_gigabytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_flight, "memory_bytes", lambda: 8_000_000_000)


def test_memory_of_batches_in_flight_is_told_before_the_start() -> None:
    (said,) = warnings(100_000_000)
    # 30 batches a node and slot, of which half may leave: 30 under way, three copies of each.
    assert said.startswith(
        "batches that move may take 9 GB of memory, and this machine has 8 GB: up to 30 of"
    )
    assert 'fleet.kind = "virtual"' in said
    assert warnings(10_000_000) == []


def test_storage_bounds_what_is_under_way() -> None:
    text = SCENARIO.format(size=100_000_000, policy="dat", kind="inprocess")
    found = resolve(parse_scenario(text.replace("20_000_000_000", "500_000_000"))).warnings
    assert not any("demand.bytes_per_batch" in each for each in found)


def test_what_fits_no_parcel_is_told_where_batches_travel() -> None:
    (said,) = warnings(100_000_000, kind="ray")
    assert "parcel of at most 67.1 MB, which holds 0 of these batches (100 MB each)" in said
    (said,) = warnings(10_000_000, kind="ray")
    assert "holds 6 of these batches (10 MB each): a decision that moves more (up to 15 may leave" in said
    assert warnings(1_000_000, kind="ray") == []


@pytest.mark.parametrize(
    ("slots", "deadline", "busy", "most"),
    [
        (2, 0, 0.5, 30),  # 15 of each node's 30 batches
        (4, 1, 0.5, 60),  # of this slot and the one before
        (2, 5, 0.5, 60),  # there are two slots
        (4, 2, 0.5, 90),
        (4, 2, 0.9, 120),  # a slot has time for 60 batches at each node
    ],
)
def test_what_has_waited_leaves_with_what_is_new_as_far_as_there_is_time(
    slots: int, deadline: int, busy: float, most: int
) -> None:
    text = SCENARIO.format(size=1_000_000_000, policy="dat", kind="inprocess").replace("20_000", "2_000_000")
    text = text.replace("development = 2", f"development = {slots}").replace("0.5", str(busy))
    found = resolve(parse_scenario(f"{text}[limits]\ndeadline_slots = {deadline}\n")).warnings
    (said,) = (each for each in found if "demand.bytes_per_batch" in each)
    assert f"up to {most} of 1 GB each may be under way in a slot" in said


LEARNED = """policy = "{policy}"
[stages]
preparation = 0
development = {development}
application = {application}
recycling = 0
[task]
data = "digits"
batch_size = {size}
batches_per_slot = 8
[inference]
batches_per_slot = 6
requests_per_batch = {size}
[board]
storage_bytes = 20_000_000_000
[fleet]
kind = "{kind}"
[[nodes]]
zone = "PL"
count = 2
"""


@pytest.mark.parametrize(
    ("development", "application", "key", "leaving"),
    [(2, 0, "task.batch_size", 4), (0, 2, "inference.requests_per_batch", 3)],
)
def test_large_batches_of_a_learned_task_are_told_where_they_travel(
    monkeypatch: pytest.MonkeyPatch, development: int, application: int, key: str, leaving: int
) -> None:
    """A parcel is as large as what ``pack`` makes of the task's own batches."""

    def said(size: int, policy: str = "dat", kind: str = "ray") -> list[str]:
        given = {"development": development, "application": application, "size": size}
        found = resolve(parse_scenario(LEARNED.format(policy=policy, kind=kind, **given))).warnings
        return [each for each in found if "parcel" in each]

    stage = Stage.DEVELOPMENT if development else Stage.APPLICATION
    given = {"development": development, "application": application, "size": 32}
    found = resolve(parse_scenario(LEARNED.format(policy="dat", kind="ray", **given)))
    (config, _) = found.node_configs("run", "", with_harvest=True)
    work = RequestWorkload(build_workload(config.task, config.inference), RequestPlan.of(config))
    of = {"run_id": "run", "epoch": 1, "slot": 0, "owner": "n0", "executor": "n1"}
    batches = [work.batch(number, stage.value) for number in range(leaving)]
    parcel = pack(**of, batch_ids=range(leaving), batches=batches)
    monkeypatch.setattr(in_flight, "MAX_PARCEL_BYTES", payload_bytes(parcel))
    assert said(32) == []
    (told,) = said(33)
    assert f"(up to {leaving} may leave a node for another)" in told
    assert f"lower {key} or limits.offload_cap_fraction" in told
    assert said(33, policy="local") == []
    assert said(33, kind="inprocess") == []


@pytest.mark.parametrize(("policy", "kind"), [("local", "inprocess"), ("local", "ray"), ("dat", "virtual")])
def test_nothing_is_told_where_no_payload_moves(policy: str, kind: str) -> None:
    assert warnings(100_000_000, policy, kind) == []
