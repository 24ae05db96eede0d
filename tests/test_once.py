"""Folders that all workers of a session share."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.once import VARIABLE, once


@pytest.fixture(autouse=True)
def _own_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))


def test_the_first_makes_it_and_the_others_wait() -> None:
    made: list[Path] = []
    together = threading.Barrier(3)

    def make(folder: Path) -> None:
        made.append(folder)
        time.sleep(0.05)
        (folder / "whole").touch()

    def ask(_: int) -> bool:
        together.wait()
        return (once("thing", make) / "whole").exists()

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(ask, range(3))) == [True] * 3
    assert len(made) == 1


def test_what_could_not_be_made_is_made_again_from_nothing() -> None:
    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise RuntimeError("no network")

    with pytest.raises(RuntimeError, match="no network"):
        once("thing", fail)
    folder = once("thing", lambda folder: (folder / "whole").touch())
    assert [path.name for path in folder.iterdir()] == ["whole"]
