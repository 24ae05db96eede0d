"""Large data files: finding, checking and fetching, without partial files."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

from carbon_data.files.datasets import (
    DATASETS,
    Dataset,
    DatasetState,
    dataset,
    mnist_names,
    require,
    status,
    status_of,
)
from carbon_data.files.folders import data_dir
from carbon_data.types import DataError
from tests.carbon_data.files.archives import sets

PLAIN = b"to be or not to be\n" * 5000
PACKED = gzip.compress(b"idx" * 30_000, mtime=0)


def test_a_gzip_bomb_is_not_unpacked_to_the_end(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carbon_data.files.datasets.MAX_CONTENT_BYTES", 1 << 20)
    bomb = folder / "part" / "packed.gz"
    bomb.parent.mkdir(parents=True)
    bomb.write_bytes(gzip.compress(b"\0" * (8 << 20)))
    found = status_of(sets()[1], folder)
    assert found.state is DatasetState.CORRUPT
    assert "more than 1048576 bytes" in found.detail


def test_require_says_what_is_missing_where_and_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DETABED_DATA_DIR", str(tmp_path))
    assert data_dir() == tmp_path
    with pytest.raises(DataError, match=r"tinyshakespeare is missing.*DETABED_DATA_DIR.*detabed data fetch"):
        require("tinyshakespeare")
    with pytest.raises(DataError, match="there are mnist-train-images"):
        require("nonsense")
    assert {each.state for each in status()} == {DatasetState.MISSING}


@pytest.mark.parametrize("each", DATASETS, ids=lambda each: each.name)
def test_files_in_the_data_folder_are_whole(each: Dataset) -> None:
    found = status_of(each)
    if found.state is DatasetState.MISSING:
        pytest.skip("not in the data folder")
    assert found.state is DatasetState.PRESENT, found.detail
    assert found.path.stat().st_size == each.size_bytes


def test_looking_for_files_needs_no_http() -> None:
    code = (
        "import sys; sys.modules.update(requests=None, urllib3=None); "
        "from carbon_data.files.datasets import status; print(len(status()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == str(len(DATASETS)), done.stderr


def test_the_list_is_whole() -> None:
    names = [each.name for each in DATASETS]
    assert len(set(names)) == len(names)
    assert len(mnist_names()) == 4
    for each in DATASETS:
        assert [bool(each.urls), bool(each.instructions), bool(each.package)].count(True) == 1, each.name
        assert all(url.startswith("https://") for url in each.urls)
        assert each.licence
        assert each.origin
        assert len(each.sha256) == 64
        assert dataset(each.name) is each
