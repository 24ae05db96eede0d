"""A whole probe of a small server, with a meter whose readings are known."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from carbon_data.types import Provenance
from coordinator.accounting.tree import Window, efficiency
from edge_node.energy.boards import load_board
from edge_node.meters.base import MeterError
from experiments.errors import RunError, UsageError
from experiments.probe.dialects import DIALECTS
from experiments.probe.figures import probe_of, spread
from experiments.probe.joules import Joules
from experiments.probe.measure import Plan, measure
from experiments.probe.meters import CpuTimeMeter, probe_meter
from experiments.probe.page import cells_table, lead, requests_frame, write
from experiments.probe.server import ModelServer
from tests.experiments.probe.servers import serving

ALPHA = 1000.0
BOARD = load_board("raspberry-pi-4b").config().model_copy(update={"static_w": 2.0, "busy_w": 6.0})


class Known:
    """3 J at rest (1 W), then 10 J in 2 s for every request; those of ``missing`` cannot be read."""

    spec, provenance, counts_idle = "known", Provenance.MEASURED, True

    def __init__(self, missing: tuple[int, ...] = ()) -> None:
        self._count, self._missing = -1, missing

    def open(self) -> Callable[[], Joules]:
        self._count += 1
        count = self._count

        def close() -> Joules:
            if count in self._missing:
                raise MeterError("no sample in the window")
            return Joules(3.0, 0.1, 3.0) if count == 0 else Joules(10.0, 0.2, 2.0)

        return close

    def stop(self) -> None:
        """Nothing to stop."""


PLAN = Plan((32, 64), (1, 4), repeats=3, idle_s=0.01)


def test_every_length_is_asked_as_often_in_an_order_of_its_own() -> None:
    order = PLAN.in_order()
    assert len(order) == PLAN.count == 12
    for repeat in range(3):
        assert sorted(one[1:] for one in order if one[0] == repeat) == [(32, 1), (32, 4), (64, 1), (64, 4)]
    assert order == PLAN.in_order()


def test_joules_are_those_above_rest_and_shared_by_the_server_s_clock(tmp_path: Path) -> None:
    with serving("llama.cpp") as url:
        measured = measure(ModelServer(url), Known(), PLAN)
    probe = probe_of(measured, alpha_bits_per_token=ALPHA, counts_idle=True)
    assert probe.idle_w == pytest.approx(1.0)
    assert probe.whole.energy_j is not None
    assert probe.whole.energy_j.mean == pytest.approx(8.0)  # 10 J less 2 s at 1 W
    (cell,) = [one for one in probe.cells if (one.tokens_in, one.tokens_out) == (64, 4)]
    read, written_s = 64 - 4, 0.005 * 4
    share = 0.002 * read / (0.002 * read + written_s)
    assert cell.per_token_in_j is not None
    assert cell.per_token_in_j.mean == pytest.approx(8.0 * share / read)
    assert cell.per_token_out_j is not None
    assert cell.per_token_out_j.mean == pytest.approx(8.0 * (1 - share) / 3)
    requests = requests_frame(measured)
    tokens = int(requests["prompt_tokens"].sum()), int(requests["tokens_out"].sum())
    wanted = efficiency(Window(int(requests["content_bits"].sum()), *tokens, 96.0), ALPHA)
    assert probe.whole.tree_bit_per_j == pytest.approx(wanted.tree_bit_per_j)
    assert "12 requests" in lead(probe)
    page = write(tmp_path, measured, probe, {"server": "a small one"}).read_text()
    assert "a small one" in page
    assert len(cells_table(probe).rows) == 5


def test_a_reading_that_is_missing_is_in_no_figure_of_energy() -> None:
    with serving("vllm") as url:
        measured = measure(ModelServer(url), Known(missing=(1, 5)), PLAN)
    probe = probe_of(measured, alpha_bits_per_token=ALPHA, counts_idle=True)
    assert (probe.whole.requests, probe.whole.unread) == (12, 2)
    assert sum(cell.unread for cell in probe.cells) == 2
    assert requests_frame(measured)["energy_j"].isna().sum() == 2
    assert spread([1.0, None]) is None


def test_an_answer_without_its_counts_is_no_answer_of_no_tokens() -> None:
    with serving("some-usage") as url, pytest.raises(RunError, match="without its counts of tokens"):
        measure(ModelServer(url), Known(), PLAN)


def test_cpu_time_is_that_of_the_process_at_the_watts_of_a_core() -> None:
    meter = CpuTimeMeter(os.getpid(), BOARD)
    close = meter.open()
    sum(k * k for k in range(2_000_000))
    found = close()
    assert 0 < found.energy_j <= 4.0 * found.duration_s * 2
    assert meter.watts_per_core == pytest.approx(4.0 / (os.cpu_count() or 1))
    with pytest.raises(UsageError, match="is none that reads a server"):
        probe_meter("replay:log", BOARD)
    with pytest.raises(UsageError, match="`detabed tree probe` asks it"):
        probe_meter("tensorrt-llm", BOARD)


def test_a_process_of_the_server_that_ends_while_it_is_read_is_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with subprocess.Popen([sys.executable, "-S", "-c", ""]) as process:
        ended = psutil.Process(process.pid)
    monkeypatch.setattr(psutil.Process, "children", lambda self, recursive: [ended])
    close = CpuTimeMeter(os.getpid(), BOARD).open()
    assert close().energy_j >= 0
    with pytest.raises(MeterError, match=f"there is no process {ended.pid} on this machine"):
        CpuTimeMeter(ended.pid, BOARD)


def test_an_error_within_a_stream_is_told() -> None:
    for name, line in (
        ("openai", 'data: {"error": "out of memory"}'),
        ("ollama", '{"error": "out of memory"}'),
    ):
        with pytest.raises(ValueError, match="out of memory"):
            DIALECTS[name].read(line, 0.0, None)  # type: ignore[arg-type]
