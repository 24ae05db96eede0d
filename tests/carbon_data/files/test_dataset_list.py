"""The large data files that the project can use: what they are, whose they are, and how to get them."""

from __future__ import annotations

import subprocess
import sys

from carbon_data.files.dataset_list import DATASETS
from carbon_data.files.datasets import dataset, mnist_names


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
        assert bool(each.urls) != bool(each.instructions), each.name
        assert all(url.startswith("https://") for url in each.urls)
        assert each.licence
        assert each.origin
        assert len(each.sha256) == 64
        assert dataset(each.name) is each
