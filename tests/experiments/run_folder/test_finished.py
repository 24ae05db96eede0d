"""Which folders a further statement can rest on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from experiments.errors import UsageError
from experiments.run_folder.finished import require_finished_run, require_sound


def test_a_finished_run_passes_and_others_are_named(small_comparison: Path, tmp_path: Path) -> None:
    run = small_comparison / "local-s0"
    require_finished_run(run)
    require_sound(run)
    for folder, why in ((tmp_path / "none", "no such folder"), (small_comparison, "is a comparison")):
        with pytest.raises(UsageError, match=why):
            require_finished_run(folder)
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    (copy / "DONE").unlink()
    with pytest.raises(UsageError, match="resume"):
        require_finished_run(copy)
    (copy / "FAILED").write_text("the disk was full\n")
    with pytest.raises(UsageError, match="the disk was full"):
        require_finished_run(copy)
