"""Blocks of columns."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.ledger.columns import block_is_whole, column_entry, pack, unpack
from coordinator.ledger.entry import Kind, LedgerError


@given(st.lists(st.integers(-(2**62), 2**62), max_size=20), st.lists(st.booleans(), max_size=20))
def test_columns_come_back_as_they_were(numbers: list[int], flags: list[bool]) -> None:
    wide = np.array(numbers * 3, dtype=np.int64).reshape(len(numbers), 3)
    columns = {
        "numbers": np.array(numbers, dtype=np.int64),
        "flags": np.array(flags, dtype=bool),
        "wide": wide,
        "losses": np.array([*map(float, numbers), np.nan], dtype=np.float32),
    }
    found = unpack(pack(columns))
    assert list(found) == list(columns)
    for name, column in columns.items():
        assert found[name].dtype == column.dtype
        np.testing.assert_array_equal(found[name], column)


@pytest.mark.parametrize("bits", [8, 16, 32, 64])
def test_both_ends_of_every_width_come_back(bits: int) -> None:
    ends = np.array([-(2 ** (bits - 1)), 2 ** (bits - 1) - 1], dtype=np.int64)
    np.testing.assert_array_equal(unpack(pack({"n": ends}))["n"], ends)


def test_small_numbers_take_little_space() -> None:
    rng = np.random.default_rng(1)
    small, large = rng.integers(0, 100, 10_000), rng.integers(0, 2**60, 10_000)
    assert len(pack({"n": small})) < len(pack({"n": large})) / 6


def test_a_document_holds_the_digest_of_its_block() -> None:
    entry = column_entry(Kind.SLOT, "slot/0", {"stage": "development"}, {"n": np.arange(3)})
    assert block_is_whole(entry.body, entry.data)
    assert not block_is_whole(entry.body, pack({"n": np.arange(4)}))
    other = column_entry(Kind.SLOT, "slot/0", {"stage": "development"}, {"n": np.arange(4)})
    assert entry.digest != other.digest


def test_other_types_are_no_columns() -> None:
    with pytest.raises(LedgerError, match="allowed are whole numbers, flags and float32"):
        pack({"x": np.array([0.5])})


def test_bytes_that_are_no_block_are_refused() -> None:
    with pytest.raises(LedgerError, match="cannot be read"):
        unpack(b"")
