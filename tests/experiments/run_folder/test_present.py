"""Whether a folder that somebody names is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.errors import UsageError
from experiments.run_folder.present import require_folder


def test_a_folder_is_taken_a_file_and_nothing_are_told_apart(tmp_path: Path) -> None:
    require_folder(tmp_path)
    (tmp_path / "my.toml").write_text("")
    with pytest.raises(UsageError, match=r"my\.toml: a file, not a folder; give a run folder"):
        require_folder(tmp_path / "my.toml")
    with pytest.raises(UsageError, match="none: no such folder; give a run folder"):
        require_folder(tmp_path / "none")
