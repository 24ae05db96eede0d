"""Results are kept twice, whole, and read from either place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from experiments.sweep.store import Store

KEY = "ab" * 32


def test_another_sweep_finds_what_one_has_computed(tmp_path: Path) -> None:
    Store(tmp_path / "one", tmp_path / "cache").put(KEY, {"emissions_g": 1.5})
    other = Store(tmp_path / "other", tmp_path / "cache")
    assert other.get(KEY) == {"emissions_g": 1.5}
    # From now on it is in its own folder, also when the cache is emptied.
    assert Store(tmp_path / "other", tmp_path / "none").get(KEY) == {"emissions_g": 1.5}


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text.replace("1.5", "1.6"),
        lambda text: '{"a": 1.5}',
        lambda text: "[]",
        lambda text: "",
    ],
)
def test_a_damaged_file_is_none(damage: Callable[[str], str], tmp_path: Path) -> None:
    store = Store(tmp_path / "one", tmp_path / "cache")
    store.put(KEY, {"a": 1.5, "b": None, "c": 0.1})
    assert store.get(KEY) == {"a": 1.5, "b": None, "c": 0.1}
    for path in tmp_path.rglob(f"{KEY}.json"):
        path.write_text(damage(path.read_text()))
    assert store.get(KEY) is None


def test_a_cache_that_takes_nothing_is_said_and_a_folder_that_takes_nothing_ends_the_sweep(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "one", tmp_path / "file")
    store.put(KEY, {"a": 1})
    assert store.no_cache
    assert store.get(KEY) == {"a": 1}
    with pytest.raises(OSError):
        Store(tmp_path / "file", tmp_path / "cache").put(KEY, {"a": 1})
