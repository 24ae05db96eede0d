"""Cached answers in a real folder: only whole documents are found again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from carbon_data.sources.json_cache import JsonCache

DOCUMENT = {"zone": "DE", "hours": [1.5, None, "ä"]}


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(tmp_path: Path, clock: Clock) -> JsonCache:
    return JsonCache(tmp_path / "kept" / "here", clock)


def only_file(tmp_path: Path) -> Path:
    (path,) = (tmp_path / "kept" / "here").iterdir()
    return path


def test_what_is_kept_is_found_again_also_by_another_process(
    cache: JsonCache, clock: Clock, tmp_path: Path
) -> None:
    assert cache.get("a", None) is None
    cache.put("a", DOCUMENT)
    cache.put("b", [])
    other = JsonCache(tmp_path / "kept" / "here", clock)
    assert (other.get("a", None), other.get("b", 0.0), other.get("c", None)) == (DOCUMENT, [], None)
    cache.put("a", {"newer": True})
    assert other.get("a", None) == {"newer": True}
    assert len(list((tmp_path / "kept" / "here").iterdir())) == 2


def test_age_counts_only_where_it_is_asked_for(cache: JsonCache, clock: Clock) -> None:
    cache.put("a", DOCUMENT)
    clock.now_s += 60.0
    assert cache.get("a", 60.0) == DOCUMENT
    assert cache.get("a", 59.0) is None
    clock.now_s -= 61.0  # stored in the future by a wrong clock
    assert cache.get("a", 60.0) is None
    assert cache.get("a", None) == DOCUMENT


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{ broken",
        b"\xff\xfe",
        b"[" * 100_000,
        b"3",
        b"[]",
        b'"text"',
        b"{}",
        b'{"key": "a", "document": 1}',
        b'{"key": "a", "stored_s": "1000", "document": 1}',
        b'{"key": "a", "stored_s": 1000}',
        b'{"key": "b", "stored_s": 1000, "document": 1}',
    ],
)
def test_what_is_broken_or_of_another_key_is_not_used_and_written_over(
    cache: JsonCache, tmp_path: Path, content: bytes
) -> None:
    cache.put("a", DOCUMENT)
    only_file(tmp_path).write_bytes(content)
    assert cache.get("a", None) is None
    cache.put("a", DOCUMENT)
    assert cache.get("a", None) == DOCUMENT


def test_files_are_those_of_earlier_versions(cache: JsonCache, tmp_path: Path) -> None:
    cache.put("a", DOCUMENT)
    assert only_file(tmp_path).name == "ca978112ca1bbdcafac231b39a23dc4d.json"
    assert json.loads(only_file(tmp_path).read_text("utf-8")) == {
        "key": "a",
        "stored_s": 1000.0,
        "document": DOCUMENT,
    }


def test_a_folder_that_cannot_be_written_costs_only_the_repetition(clock: Clock, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = JsonCache(tmp_path / "file", clock)
    cache.put("a", DOCUMENT)
    assert cache.get("a", None) is None
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_document_that_is_no_json_leaves_nothing_behind(cache: JsonCache, tmp_path: Path) -> None:
    wrong: Any = {"a": object()}
    with pytest.raises(TypeError):
        cache.put("a", wrong)
    assert list((tmp_path / "kept" / "here").iterdir()) == []
