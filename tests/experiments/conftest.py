"""One small comparison of real runs (three nodes, this process), shared by the tests that read run folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from coordinator.config import CoordinatorBody, CoordinatorConfig, ZoneIntensity
from protos.messages.terms import Stage

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


@pytest.fixture
def config(tmp_path: Path) -> CoordinatorConfig:
    """Of a coordinator with one node and one slot, as a process of its own takes it."""
    return CoordinatorConfig(
        run_id=str(tmp_path / "run"),
        ledger_path=tmp_path / "ledger.sqlite",
        policy="local",
        slot_s=60.0,
        stages=(Stage.DEVELOPMENT,),
        node_ids=("n0",),
        zones=(ZoneIntensity(zone="Z", intensity_g_per_kwh=(1.0,), origin={}),),
        body=CoordinatorBody(
            zone="Z",
            static_w=1.0,
            joules_per_aggregated_parameter=0.0,
            joules_per_evaluated_example=0.0,
            router_w=0.0,
        ),
        tree_alpha_bits_per_token=1.0,
    )


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
