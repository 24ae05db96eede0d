"""A board's daemon as a process: bad input gives a message and exit code 2."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from carbon_data.files.folders import DATA_DIR_VARIABLE
from carbon_data.own_code import VARIABLE
from edge_node.__main__ import main


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": "green"}, "colour"),
        ({"coordinator": ""}, "coordinator"),
        ({}, "key.pem cannot be read"),
    ],
)
def test_a_bad_file_is_refused_with_the_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, Any], message: str
) -> None:
    path = tmp_path / "board.json"
    values = {"node_id": "n0", "coordinator": "127.0.0.1:1"}
    folders = {"certificates": str(tmp_path), "folder": str(tmp_path)}
    path.write_text(json.dumps({**values, **folders, **change}))
    assert main([str(path)]) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert "Traceback" not in printed


def test_a_missing_file_is_a_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "absent.json")]) == 2
    assert "cannot be read" in capsys.readouterr().err


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


def test_the_file_says_how_many_threads_and_where_own_code_and_data_lie(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (VARIABLE, DATA_DIR_VARIABLE):
        monkeypatch.setenv(name, "/elsewhere")
    path = tmp_path / "board.json"
    places = dict.fromkeys(("certificates", "folder", "own_code", "data"), str(tmp_path))
    path.write_text(json.dumps({"node_id": "n0", "coordinator": "127.0.0.1:1", "threads": 3, **places}))
    try:
        assert main([str(path)]) == 2, "there is no certificate"
        assert torch.get_num_threads() == 3
        assert main([str(path), "--threads", "2"]) == 2
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    assert (os.environ[VARIABLE], os.environ[DATA_DIR_VARIABLE]) == (str(tmp_path), str(tmp_path))
    assert "key.pem cannot be read" in capsys.readouterr().err
