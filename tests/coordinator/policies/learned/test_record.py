"""Weights and record belong together: another file than the record's is refused with both hashes."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from carbon_data.types import DataError
from coordinator.policies.learned.policy import SHIPPED, Learned
from coordinator.policies.learned.record import DIGEST, beside, digest_of, record_of


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """What ships, elsewhere under another name."""
    path = tmp_path / "mine.safetensors"
    shutil.copy(SHIPPED, path)
    shutil.copy(beside(SHIPPED), beside(path))
    return path


def test_the_weights_that_ship_are_those_of_their_record(copied: Path) -> None:
    found = record_of(SHIPPED)
    assert found[DIGEST] == hashlib.sha256(SHIPPED.read_bytes()).hexdigest() == digest_of(copied)
    assert record_of(copied) == found
    Learned(str(copied))


def test_weights_of_another_training_are_refused_with_both_hashes(copied: Path) -> None:
    expected = digest_of(copied)
    changed = bytearray(copied.read_bytes())
    changed[-1] ^= 1
    copied.write_bytes(changed)
    got = digest_of(copied)
    with pytest.raises(DataError, match=rf"has sha256 {got}, expected {expected}, as mine.json says"):
        Learned(str(copied))


@pytest.mark.parametrize("text", ["{}", "[]"])
def test_a_record_without_a_hash_is_refused(copied: Path, text: str) -> None:
    beside(copied).write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=rf"mine.json has no {DIGEST}; expected {digest_of(copied)}"):
        Learned(str(copied))


def test_a_record_that_is_no_json_is_refused(copied: Path) -> None:
    beside(copied).write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match="no record can be read"):
        Learned(str(copied))


def test_what_ships_needs_its_record_and_weights_alone_do_not(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside(copied).unlink()
    Learned(str(copied))
    with pytest.raises(DataError, match="no record can be read"):
        record_of(copied)
    monkeypatch.setattr("coordinator.policies.learned.policy.SHIPPED", copied)
    with pytest.raises(DataError, match="no record can be read"):
        Learned()


def test_weights_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no weights can be read"):
        record_of(tmp_path / "none.safetensors")


def test_the_record_keeps_what_else_it_says(copied: Path) -> None:
    assert record_of(copied) == json.loads(beside(SHIPPED).read_text(encoding="utf-8"))
