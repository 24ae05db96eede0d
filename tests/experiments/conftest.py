"""One small comparison of real runs (three nodes, this process), shared by the tests that read run folders."""

from __future__ import annotations

from pathlib import Path

import pytest

SMALL = """name = "small"
[stages]
preparation = 1
development = 4
application = 2
recycling = 1
[time]
start = 2022-06-21T16:00:00Z
[task]
data = "digits"
batch_size = 16
local_epochs = 1
[inference]
batches_per_slot = 4
requests_per_batch = 16
[fleet]
kind = "inprocess"
[[nodes]]
zone = "US-NW-SCL"
[[nodes]]
zone = "US-SE-SOCO"
[[nodes]]
zone = "US-NW-WACM"
"""


@pytest.fixture(scope="session")
def small_scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("small") / "small.toml"
    path.write_text(SMALL)
    return path


@pytest.fixture(scope="session")
def small_comparison(small_scenario: Path) -> Path:
    """LOCAL and DETA over two seeds; the runs are in ``local-s0`` to ``deta-s1``. Not to be written to."""
    from experiments.cli import invoke

    folder = small_scenario.parent / "compare"
    arguments = ["compare", str(small_scenario), "--policies", "local,deta", "--seeds", "2"]
    assert invoke([*arguments, "--output", str(folder), "--no-report"]) == 0
    return folder
