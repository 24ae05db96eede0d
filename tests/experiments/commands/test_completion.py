"""What the shell completes, asked as bash asks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.commands.completion import kinds, names, scenarios, several


def test_the_shell_gets_policies_after_a_comma() -> None:
    words = "detabed compare demo --policies local,det"
    asked = {"_DETABED_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": "4"}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "experiments.cli"],
        env=os.environ | asked,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert {"local,det", "local,deta"} <= set(done.stdout.split()), done.stderr


def test_every_kind_is_completed_and_no_name_twice() -> None:
    assert [name for name, _ in kinds("zo")] == ["zones"]
    assert ("deta", dict(names("policies")(""))["deta"]) in names("policies")("deta")
    assert "local,local" not in dict(several("policies")("local,loc"))
    assert "US-NW-SCL,US-SE-SOCO" in dict(several("zones")("US-NW-SCL,US-SE"))
    assert names("studies")("nothing-like-it") == []


def test_scenarios_are_packaged_ones_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "demo-of-mine.toml").write_text("")
    (tmp_path / "notes.txt").write_text("")
    found = [name for name, _ in scenarios("")]
    assert {"demo", "demo-of-mine.toml", "mine/"} <= set(found)
    assert "notes.txt" not in found
    assert scenarios("no/such/folder/") == []
    assert [name for name, _ in scenarios(f"{tmp_path}/demo")] == [f"{tmp_path}/demo-of-mine.toml"]
