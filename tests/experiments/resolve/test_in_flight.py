"""Warnings about payloads of batches that move."""

from __future__ import annotations

import pytest

from experiments.resolve import in_flight
from experiments.resolve.resolve import resolve
from experiments.scenario.model import parse_scenario

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


@pytest.mark.parametrize(("policy", "kind"), [("local", "inprocess"), ("local", "ray"), ("dat", "virtual")])
def test_nothing_is_told_where_no_payload_moves(policy: str, kind: str) -> None:
    assert warnings(100_000_000, policy, kind) == []
