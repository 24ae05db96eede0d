"""What telemetry is measured with: the goals, the message, and acknowledgements that hold for all before."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from benchmarks import telemetry
from benchmarks.telemetry import AT_LEAST, MESSAGE_BYTES, MISSED, NODES, RATIO, beside_echo, report, thousand
from protos import codec
from protos.messages.stream import Ack


def test_goals_are_those_that_were_set(monkeypatch: pytest.MonkeyPatch) -> None:
    async def rates(folder: Path, streams: int, messages: int, turns: int) -> dict[str, float]:
        return {"ratio": {1: 0.9, 100: 0.4}[streams]}

    async def nodes(folder: Path, nodes: int, duration_s: float) -> dict[str, float]:
        return {"missed": 1.0}

    monkeypatch.setattr(telemetry, "beside_echo", rates)
    monkeypatch.setattr(telemetry, "thousand", nodes)
    monkeypatch.setattr(telemetry, "sd_card", dict)
    found = telemetry.measure(lambda text: None, quick=True)
    assert (AT_LEAST, NODES, MESSAGE_BYTES) == (0.5, 1000, 182)
    assert found["goals"][RATIO] == {"op": ">=", "goal": 0.5, "value": 0.4, "met": False}, "the worst counts"
    assert found["goals"][MISSED] == {"op": "<=", "goal": 0, "value": 1.0, "met": False}


def test_a_message_has_182_bytes_give_or_take_its_number() -> None:
    sizes = {len(codec.encode_up(report("n0000", seq))) for seq in (1, 100, 1_000, 80_000)}
    assert all(abs(size - MESSAGE_BYTES) <= 2 for size in sizes), sizes


def test_an_acknowledgement_answers_all_before_it() -> None:
    assert telemetry.acknowledged(codec.encode_down(Ack("n0", 7)), 3) == 7
    assert telemetry.acknowledged(codec.encode_down(Ack("n0", 2)), 3) == 3


@pytest.mark.processes
def test_small_runs_measure_both_servers_and_lose_no_lease(tmp_path: Path) -> None:
    found = asyncio.run(beside_echo(tmp_path / "both", 2, 40, 1))
    assert set(found) == {"echo_per_s", "durable_per_s", "ratio", "cpu_ms_per_message"}
    assert found["ratio"] == found["durable_per_s"] / found["echo_per_s"]
    few = asyncio.run(thousand(tmp_path / "few", 5, 2))
    assert few["missed"] == 0
    assert few["acknowledgements"] >= 5 * 2
