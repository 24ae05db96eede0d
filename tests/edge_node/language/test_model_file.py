"""A model's file is what it should be, or refused."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from carbon_data.types import DataError
from edge_node.language.model_file import model_file


def test_a_file_with_the_right_content_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "small.gguf"
    path.write_bytes(b"GGUF and more")
    digest = hashlib.sha256(b"GGUF and more").hexdigest()
    found = model_file(path, digest.upper())
    assert (found.path, found.sha256, found.name) == (path, digest, "small")


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "small.gguf"
    with pytest.raises(DataError, match=r"small\.gguf cannot be read: No such file"):
        model_file(path)
    path.write_bytes(b"PK\x03\x04")
    with pytest.raises(DataError, match="is no model file"):
        model_file(path)
    path.write_bytes(b"GGUF")
    with pytest.raises(DataError, match="expected 00"):
        model_file(path, "00")


def test_a_model_that_is_not_there_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DETABED_DATA_DIR", str(tmp_path))
    with pytest.raises(DataError, match="detabed data fetch smollm2-135m"):
        model_file()
