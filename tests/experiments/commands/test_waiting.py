"""The bar of commands."""

from __future__ import annotations

import pytest

from experiments.commands.waiting import waiting


def test_without_a_terminal_nothing_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with waiting("reading the run") as watch:
        watch("tables", 1, 2)
    assert capsys.readouterr() == ("", "")
