"""Studies by name: every function loads, and an option that a study lacks is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from experiments.errors import UsageError
from experiments.studies.registry import STUDIES, options_of, run_study


@pytest.mark.parametrize("name", sorted(STUDIES))
def test_every_study_loads(name: str) -> None:
    assert options_of(name) <= {"train", "zones", "workers", "weights"}
    assert STUDIES[name][1].endswith(".")


def test_an_option_that_a_study_lacks_is_refused_before_it_starts(tmp_path: Path) -> None:
    assert "zones" not in options_of("terminal")
    assert "zones" in options_of("fig5")
    with pytest.raises(UsageError, match=r"--zones: not of 'terminal'.*fig5"):
        run_study("terminal", tmp_path / "run", False, Console(), zones=("FR",))
    assert not (tmp_path / "run").exists()
