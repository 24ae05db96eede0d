"""Log files on a full disk: the line is dropped; an error of the caller is shown."""

from __future__ import annotations

import io
import logging
from pathlib import Path

import pytest

from carbon_data.quiet_log import QuietFileHandler, QuietStreamHandler


class FullDisk(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


def record(message: str, *arguments: object) -> logging.LogRecord:
    return logging.LogRecord("test", logging.INFO, __file__, 1, message, arguments, None)


def test_a_line_that_finds_no_room_is_dropped(capsys: pytest.CaptureFixture[str]) -> None:
    QuietStreamHandler(FullDisk()).handle(record("said"))
    assert capsys.readouterr().err == ""


def test_a_bad_format_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    QuietStreamHandler(io.StringIO()).handle(record("%d", "word"))
    assert "Logging error" in capsys.readouterr().err


def test_a_file_is_made_at_the_first_line(tmp_path: Path) -> None:
    path = tmp_path / "node.log"
    handler = QuietFileHandler(path)
    assert not path.exists()
    handler.handle(record("said"))
    handler.close()
    assert path.read_text() == "said\n"


def test_a_file_that_cannot_be_made_stops_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    handler = QuietFileHandler(tmp_path / "no folder" / "node.log")
    handler.handle(record("said"))
    handler.close()
    assert capsys.readouterr().err == ""
