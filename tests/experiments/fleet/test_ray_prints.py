"""Ray's lines go to the log; a machine that is lost once put one before the JSON of a command."""

from __future__ import annotations

import logging

import pytest
from ray._private import worker

from experiments.fleet.ray_prints import logged_prints


def test_lines_are_logged_and_not_printed(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    before = worker.print_to_stdstream
    with caplog.at_level(logging.INFO), logged_prints():
        worker.print_to_stdstream({"lines": ["Raylet is terminated."], "pid": "raylet"}, False)
    assert "Raylet is terminated." in caplog.text
    assert capsys.readouterr().out == ""
    assert worker.print_to_stdstream is before
