"""The meter that is the server's own, against a small server that answers in the documented form."""

from __future__ import annotations

import pytest

from edge_node.energy.boards import load_board
from edge_node.meters.base import MeterError
from experiments.errors import UsageError
from experiments.probe.measure import Plan, measure
from experiments.probe.meters import probe_meter
from experiments.probe.server import ModelServer
from experiments.probe.tensorrt_llm import TensorRtMeter
from tests.experiments.probe.servers import J_PER_TOKEN_IN, J_PER_TOKEN_OUT, serving

BOARD = load_board("raspberry-pi-4b").config()


def test_a_window_has_the_joules_that_the_server_counted_in_it() -> None:
    with serving("tensorrt-llm") as url:
        server = ModelServer(url)
        meter = probe_meter("tensorrt-llm", BOARD, server)
        found = measure(server, meter, Plan((32,), (1, 4), repeats=2, idle_s=0.01))
        server.close()
    assert found.idle is not None
    assert found.idle.energy_j == 0
    for one in found.requests:
        assert one.joules is not None
        assert one.answer.prompt_tokens is not None
        expected_j = J_PER_TOKEN_IN * one.answer.prompt_tokens + J_PER_TOKEN_OUT * one.wanted_out
        assert one.joules.energy_j == pytest.approx(expected_j, abs=1e-3)
        assert one.joules.half_width_j is None
        assert one.joules.duration_s > 0


@pytest.mark.parametrize(
    ("kind", "words"),
    [("tensorrt-llm-off", "503 .*not available.*enable_energy_metrics: true"), ("vllm", "404")],
)
def test_a_server_without_the_reading_is_refused_with_what_to_do(kind: str, words: str) -> None:
    with serving(kind) as url:
        server = ModelServer(url)
        with pytest.raises(UsageError, match=words):
            TensorRtMeter(server)
        server.close()


@pytest.mark.parametrize(("kind", "why"), [("again", "started again"), ("stands", "its clock stands")])
def test_a_counter_that_falls_or_a_clock_that_stands_is_a_missing_reading(kind: str, why: str) -> None:
    with serving(f"tensorrt-llm-{kind}") as url:
        server = ModelServer(url)
        close = TensorRtMeter(server).open()
        server.ask("word", 1)
        with pytest.raises(MeterError, match=why):
            close()
        server.close()


def test_a_server_that_is_gone_gives_no_reading() -> None:
    with serving("tensorrt-llm") as url:
        server = ModelServer(url)
        meter = TensorRtMeter(server)
        server.close()
    with pytest.raises(MeterError, match="gives no answer"):
        meter.open()()
    server.close()


def test_it_takes_no_address() -> None:
    with serving("tensorrt-llm") as url:
        server = ModelServer(url)
        with pytest.raises(UsageError, match="write tensorrt-llm alone"):
            probe_meter("tensorrt-llm:http://other", BOARD, server)
        server.close()
