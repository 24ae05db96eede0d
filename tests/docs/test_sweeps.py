"""Commands and code of docs/sweeps.md: the commands' sweeps are validated, the code runs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from experiments.cli import invoke
from experiments.sweep import start
from experiments.sweep.keys import Keys, Surroundings
from experiments.sweep.runs import Runs
from tests.experiments.sweep.energy import ENERGY

PAGE = (Path(__file__).parents[2] / "docs" / "sweeps.md").read_text(encoding="utf-8")
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]


class PlannedError(Exception):
    """Instead of a run."""


@pytest.mark.parametrize(("command", "runs"), list(zip(COMMANDS, (12, 8, None, None), strict=True)))
def test_a_command(command: str, runs: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def execute(asked: start.Start, *_: object, **__: object) -> None:
        seen.append(asked)
        raise PlannedError

    monkeypatch.setattr(start, "execute", execute)
    monkeypatch.chdir(tmp_path)
    program, *arguments = shlex.split(command)
    assert program == "detabed"
    if runs is None:
        assert invoke(arguments) == 2  # there is no such folder yet
        return
    with pytest.raises(PlannedError):
        invoke(arguments)
    (asked,) = seen
    assert asked.plan.runs == runs
    Runs.of(asked.plan, Keys(Surroundings("code", "data")), lambda: None)


@pytest.mark.processes
def test_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "s.toml").write_text(ENERGY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    names: dict[str, Any] = {}
    exec(code.replace('"demo"', '"s.toml"').replace('deta"]', 'det"]'), names)
    assert len(names["found"].table) == 2 * 3 * 2 * 2
    assert names["found"].page.exists()
