"""What commands write to standard output."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments.cli import invoke
from experiments.commands.output import json_alone, print_json

TALKS = '''"""A policy that prints wherever it can."""
from coordinator.policies.local import Local


class Talks(Local):
    """LOCAL, aloud."""

    def __init__(self):
        super().__init__()
        print("made")
'''
SCENARIO = """name = "aloud"
policy = "talks:Talks"
[stages]
development = 1
[task]
name = "none"
[fleet]
kind = "inprocess"
[[nodes]]
zone = "FR"
"""


def test_json_has_standard_output_to_itself(capsys: pytest.CaptureFixture[str]) -> None:
    with json_alone():
        print("an app's word")
        print_json({"a": 1})
    print_json({"b": 2})
    said = capsys.readouterr()
    assert said.out == '{\n  "a": 1\n}\n{\n  "b": 2\n}\n'
    assert said.err == "an app's word\n"


@pytest.mark.parametrize("command", ["check", "run"])
def test_what_a_users_code_prints_is_not_between_the_json(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "talks.py").write_text(TALKS)
    (tmp_path / "aloud.toml").write_text(SCENARIO)
    monkeypatch.chdir(tmp_path)
    more = ["--no-report", "-o", str(tmp_path / "run")] if command == "run" else []
    assert invoke([command, "aloud.toml", *more, "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["policy"] == "talks:Talks"
    assert "made" in said.err
    assert invoke(["policy", "check", "talks:Talks"]) == 0  # without --json it stays where it was printed
    assert "made" in capsys.readouterr().out
