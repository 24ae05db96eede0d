"""The self-check of a GPU: its figures, on the processor in place of one; and a machine without."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import gpu


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"BATCHES": 2, "BATCH_SIZE": 16, "QUICK_TURNS": 1}.items():
        monkeypatch.setattr(gpu, name, value)


def test_without_a_gpu_it_says_so_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpu, "available", lambda: ("cpu",))
    monkeypatch.chdir(tmp_path)
    assert gpu.main(["--quick"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert "sees no GPU on this machine" in told.err
    assert not list(tmp_path.iterdir())


def test_the_reading_is_written_and_a_round_ends_where_the_bare_loop_does(
    small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpu, "available", lambda: ("mps", "cpu"))
    monkeypatch.setattr(gpu, "synchronise", lambda device: None)
    made = gpu.workload
    monkeypatch.setattr(gpu, "workload", lambda task, device: made(task, "cpu"))
    file = tmp_path / "reading.json"
    assert gpu.main(["--quick", "--json", "--output", str(file)]) == 0
    found = json.loads(file.read_text())
    assert found == json.loads(capsys.readouterr().out)
    assert found["device"] == "mps"
    assert found["deferred"] == ["mnist-mlp", "tiny-gpt"]
    figures = found["figures"]
    assert figures["mnist-cnn largest_difference_to_bare"] < 1e-5
    assert figures["mnist-cnn largest_difference_to_processor"] == 0
    assert figures["mnist-cnn over_bare"] > 0
    assert "mnist-cnn round_j" not in figures  # no counter: missing, and not zero
