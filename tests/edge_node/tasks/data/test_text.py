from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_data.files.folders import data_dir
from carbon_data.types import DataError
from edge_node.tasks.data import text
from edge_node.tasks.registry import find_task
from tests.edge_node.tasks.workloads import workload

needs_shakespeare = pytest.mark.skipif(
    text.resolve("auto") != "shakespeare", reason="Shakespeare is not in the data folder"
)


# --- data


@given(
    texts=st.lists(st.tuples(st.sampled_from("abc"), st.text(max_size=400)), min_size=1, max_size=8),
    joined=st.booleans(),
)
def test_excerpts_are_consecutive_pieces_of_the_text(texts, joined):
    rows, groups = text.excerpts(texts, joined=joined)
    assert rows.shape == (len(groups), text.LENGTH)
    if joined:
        whole = "".join(t for _, t in texts).encode()
        assert rows.tobytes() == whole[: len(rows) * text.LENGTH]
        assert len(whole) - rows.size < text.LENGTH
    else:
        assert len(rows) == sum(len(t.encode()) // text.LENGTH for _, t in texts)
        assert all(any(row.tobytes() in t.encode() for _, t in texts) for row in rows)


def test_the_last_tenth_of_every_group_is_held_out():
    groups = np.array([0] * 30 + [1] * 4 + [0] * 10)
    assert np.flatnonzero(text.held_out(groups)).tolist() == [40, 41, 42, 43]


def test_the_fallback_text_comes_with_python():
    data = text.load("pydoc")
    assert data.train["tokens"].shape[1] == text.LENGTH
    assert data.train["tokens"].dtype == np.uint8
    assert len(data.train["tokens"]) == len(data.groups) > 4000
    assert data.num_test == pytest.approx(0.1 * (data.num_train + data.num_test), rel=0.05)
    assert "Python" in data.train["tokens"].tobytes().decode(errors="replace")


def test_rot13_moves_letters_and_nothing_else():
    plain, moved = text.load("pydoc").test["tokens"], text.load("pydoc-rot13").test["tokens"]
    letters = (plain | 32 >= ord("a")) & (plain | 32 <= ord("z")) & (plain < 128) & (plain >= 65)
    assert np.array_equal(plain != moved, letters)
    task = find_task("tiny-gpt")
    assert task.recycling_data("pydoc") == "pydoc-rot13"
    assert task.recycling_data("pydoc-rot13") == "pydoc"


def test_unknown_and_missing_texts_say_so(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="shakespeare-roles"):
        text.resolve("bible")
    monkeypatch.setenv("DETABED_DATA_DIR", str(tmp_path))
    assert text.resolve("auto") == "pydoc"
    with pytest.raises(DataError, match="fetch"):
        text.BASES["shakespeare"][1]()


@needs_shakespeare
def test_roles_stay_whole_when_split_by_group():
    assert (data_dir() / "text").is_dir()
    data = text.load("shakespeare-roles")
    assert data.num_train + data.num_test > 12_000
    shares = [
        workload("tiny-gpt", data="shakespeare-roles", partition="by-group", partition_index=k).share
        for k in range(3)
    ]
    roles = [set(data.groups[share]) for share in shares]
    assert not roles[0] & roles[1]
    assert not roles[1] & roles[2]
    assert sum(map(len, shares)) == data.num_train
