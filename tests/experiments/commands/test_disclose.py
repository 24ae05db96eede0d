"""``detabed disclose``: a folder of the user's choice, words for people, and exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.cli import invoke
from experiments.disclosure.statement import DATA, PAGE


def test_it_writes_where_it_is_told_and_says_where(
    small_comparison: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "out"
    assert invoke(["disclose", str(small_comparison / "local-s0"), "-o", str(place)]) == 0
    said = capsys.readouterr().out
    assert f"page: {place / PAGE}" in said
    assert "location-based" in said
    assert (place / DATA).is_file()
    assert not (small_comparison / "local-s0" / "disclosure").exists()
    assert invoke(["disclose", str(tmp_path / "none")]) == 2
