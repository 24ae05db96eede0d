"""Committed generated code equals the output of the pinned generator."""

from __future__ import annotations

from pathlib import Path

import pytest

from protos import generate

pytest.importorskip("grpc_tools", reason="grpcio-tools comes with the dev extra")


def test_committed_code_is_fresh() -> None:
    assert generate.main(["--check"]) == 0


def test_check_notices_a_changed_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fresh = generate.generate(tmp_path)
    assert generate.stale(fresh) == []
    fresh["testbed_pb2.py"] += "# changed\n"
    assert generate.stale(fresh) == ["testbed_pb2.py"]


def test_another_generator_version_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(generate, "GENERATOR_VERSION", "1.0.0")
    assert generate.main(["--check"]) == 2
    assert "pip install grpcio-tools==1.0.0" in capsys.readouterr().err
