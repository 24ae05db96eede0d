"""Ctrl-C at any moment after the entry point was reached: code 130, one word, no traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.processes

INTERRUPTED_AT = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite in the background has it ignored
where = {module!r}

class Presses:
    def find_spec(self, name, path=None, target=None):
        if name == where:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Presses())
from experiments.entry import main
sys.argv[1:] = ["check", "demo"]
main()
"""
"""A program that is interrupted as it looks for ``module``."""


def interrupted_at(module: str, folder: Path) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-c", INTERRUPTED_AT.format(module=module)]
    return subprocess.run(program, cwd=folder, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    "module", ["experiments.cli", "click", "rich.console", "experiments.commands.check", "numpy"]
)
def test_an_interrupt_while_the_program_is_imported(module: str, tmp_path: Path) -> None:
    ended = interrupted_at(module, tmp_path)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "interrupted\n")


def test_an_ignored_interrupt_stays_ignored(tmp_path: Path) -> None:
    program = INTERRUPTED_AT.format(module="experiments.cli").replace("default_int_handler)", "SIG_IGN)")
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 0, ended.stderr


def test_the_entry_point_waits_for_no_large_module() -> None:
    large = ("click", "rich", "numpy")
    asked = f"import sys; import experiments.entry; print([name for name in {large} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"
