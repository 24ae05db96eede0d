"""A node as a process: bad input gives a message and exit code 2."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from edge_node.__main__ import main


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"slot_s": -1}, "slot_s"),
        ({"slot_s": float("nan")}, "slot_s"),
        ({"colour": "green"}, "colour"),
        ({"coordinator_address": ""}, "coordinator_address is empty"),
        ({"meter": "guess"}, "no meter is called 'guess'"),
    ],
)
def test_bad_configurations_are_refused_with_the_place(
    make_config: Callable[..., Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: dict[str, Any],
    message: str,
) -> None:
    values = json.loads(make_config(0, coordinator_address="127.0.0.1:1").model_dump_json())
    path = tmp_path / "node.json"
    path.write_text(json.dumps({**values, **change}))
    assert main([str(path)]) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert "Traceback" not in printed


def test_a_missing_file_or_server_is_a_message(
    make_config: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "absent.json")]) == 2
    path = tmp_path / "node.json"
    path.write_text(make_config(0, coordinator_address="127.0.0.1:1").model_dump_json())
    assert main([str(path), "--serve", "no_such_module:serve"]) == 2
    assert "package.module:function" in capsys.readouterr().err


def test_a_daemon_learns_with_one_thread_unless_told_otherwise(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    absent = str(tmp_path / "absent.json")
    try:
        torch.set_num_threads(3)
        main([absent])
        assert torch.get_num_threads() == 1
        main([absent, "--threads", "2"])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    capsys.readouterr()
    assert main([absent, "--threads", "0"]) == 2
    assert "threads must be >= 1, got 0" in capsys.readouterr().err
