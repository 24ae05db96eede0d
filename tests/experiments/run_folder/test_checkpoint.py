"""The files that an unfinished run goes on from, also after a power cut amid a line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from experiments.errors import UsageError
from experiments.run_folder.checkpoint import FORMAT, STATE, append_line, discard, read_lines, read_state
from experiments.run_folder.files import CHECKPOINT, PROGRESS


def test_the_header_is_read_without_the_tensors(tmp_path: Path) -> None:
    told = {"format": FORMAT, "slot": 3, "text": 'with "quotes" and \u00fc'}
    save_file({"model/development/w": np.ones(4)}, tmp_path / CHECKPOINT, {STATE: json.dumps(told)})
    assert read_state(tmp_path) == told
    discard(tmp_path)
    assert read_state(tmp_path) is None


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is no checkpoint"),
        (b"\x05\x00\x00\x00\x00\x00\x00\x00hello", "is no checkpoint"),
        (b"\xff" * 8, "is no checkpoint"),
        (b"\x02\x00\x00\x00\x00\x00\x00\x00{}", "is no checkpoint"),
    ],
)
def test_a_damaged_file_is_refused_with_a_sentence(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / CHECKPOINT).write_bytes(content)
    with pytest.raises(UsageError, match=why):
        read_state(tmp_path)


def test_another_format_is_refused(tmp_path: Path) -> None:
    save_file({"w": np.ones(1)}, tmp_path / CHECKPOINT, {STATE: json.dumps({"format": FORMAT + 1})})
    with pytest.raises(UsageError, match="another format"):
        read_state(tmp_path)


def test_a_torn_line_takes_no_other_with_it(tmp_path: Path) -> None:
    append_line(tmp_path, {"slot": 0}, synced=True)
    with (tmp_path / PROGRESS).open("a") as file:
        file.write('{"slot": 1, "rou')
    append_line(tmp_path, {"slot": 1, "round": 1}, synced=False)
    assert read_lines(tmp_path) == [{"slot": 0}, {"slot": 1, "round": 1}]
