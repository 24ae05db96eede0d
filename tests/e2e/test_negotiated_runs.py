"""A negotiated run books the same on every fleet: bookings follow from messages, not from their timing."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from experiments.cli import invoke
from tests.scenarios import PATIENT, THREE_NODES

pytestmark = pytest.mark.processes

SMALL = (
    """name = "small"
policy = "{policy}"
{options}
[stages]
preparation = 1
development = 2
application = 1
[time]
start = 2022-06-21T16:00:00Z
[task]
data = "digits"
batch_size = 16
local_epochs = 1
[inference]
batches_per_slot = 4
requests_per_batch = 16
"""
    + PATIENT
    + THREE_NODES.replace("inprocess", "{kind}")
)
OPTIONS = {"auction": "", "belief": "", "admm": "[policy_options]\nrounds = 12"}


@pytest.mark.parametrize("policy", sorted(OPTIONS))
def test_in_process_and_on_ray_every_table_is_the_same_byte_for_byte(policy: str, tmp_path: Path) -> None:
    for kind in ("inprocess", "ray"):
        path = tmp_path / f"{kind}.toml"
        path.write_text(SMALL.format(policy=policy, options=OPTIONS[policy], kind=kind))
        assert invoke(["run", str(path), "--output", str(tmp_path / kind), "--no-report"]) == 0
    tables = sorted(path.name for path in (tmp_path / "inprocess").glob("*.parquet"))
    assert tables == sorted(path.name for path in (tmp_path / "ray").glob("*.parquet"))
    for table in tables:
        one, two = ((tmp_path / kind / table).read_bytes() for kind in ("inprocess", "ray"))
        assert one == two, table
    lines = pd.read_parquet(tmp_path / "ray" / "lines.parquet")
    assert (lines.component == "negotiation").any()
