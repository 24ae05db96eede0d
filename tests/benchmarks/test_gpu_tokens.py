"""The reading of a server and a round on a GPU: without one, and with a counter and a processor in its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import gpu, gpu_tokens
from edge_node.meters.sources.source import SourceError
from experiments.probe.measure import Plan
from experiments.probe.tensorrt_llm import TensorRtMeter
from tests.experiments.probe.servers import serving

ASKED = ["--limit-w", "450", "--quick", "--json"]


class Gpu:
    def close(self) -> None:
        """Nothing to close."""


def absent(_: str) -> Gpu:
    raise SourceError("libnvidia-ml.so.1 is not here; it comes with NVIDIA's driver")


@pytest.mark.parametrize(
    ("counter", "devices", "words"),
    [
        (absent, ("cuda", "cpu"), "no NVIDIA GPU that can be read: libnvidia-ml.so.1 is not here"),
        (lambda _: Gpu(), ("cpu",), "torch sees no NVIDIA GPU"),
    ],
)
def test_without_a_gpu_it_says_so_and_writes_nothing(
    counter: object,
    devices: tuple[str, ...],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(gpu_tokens, "open_nvml", counter)
    monkeypatch.setattr(gpu_tokens, "available", lambda: devices)
    monkeypatch.chdir(tmp_path)
    assert gpu_tokens.main(["http://127.0.0.1:9", *ASKED]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert words in told.err
    assert not list(tmp_path.iterdir())


def test_a_server_that_does_not_answer_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpu_tokens, "why_not", lambda: "")
    monkeypatch.chdir(tmp_path)
    assert gpu_tokens.main(["http://127.0.0.1:9", *ASKED]) == 1
    assert "gives no answer" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_reading_has_the_probe_and_the_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpu_tokens, "why_not", lambda: "")
    monkeypatch.setattr(gpu_tokens, "QUICK_PLAN", Plan((32,), (1, 4), repeats=2, idle_s=0.01))
    # The counter of the small server in place of the GPU's.
    monkeypatch.setattr(gpu_tokens, "probe_meter", lambda spec, board, server: TensorRtMeter(server))
    monkeypatch.setattr(
        gpu, "measure", lambda *_: {"figures": {"mnist-cnn round_s": 1.0}, "goals": {}, "name": "none"}
    )
    file = tmp_path / "reading.json"
    with serving("tensorrt-llm") as url:
        assert gpu_tokens.main([url, *ASKED, "--output", str(file)]) == 0
    found = json.loads(file.read_text())
    assert found == json.loads(capsys.readouterr().out)
    assert found["limit_w"] == 450
    assert found["probe"]["whole"]["requests"] == 4
    assert found["figures"]["probe energy_j"] > 0
    assert found["figures"]["mnist-cnn round_s"] == 1.0
