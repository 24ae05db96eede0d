"""A whole run on an address that others reach: mutual TLS on every port, and the tables of a run in one process."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from tests.boards.hosts import Host, hosts
from tests.scenarios import THREE_NODES, TWO_ROUNDS

pytestmark = pytest.mark.processes
SCENARIO = """name = "open"
policy = "deta"
{coordinator}
""" + TWO_ROUNDS + "local_epochs = 1\nbatches_per_slot = 2\n" + THREE_NODES  # fmt: skip


def run(on: Host, folder: Path, name: str, *options: str, **keys: str) -> subprocess.CompletedProcess[str]:
    rows = "".join(f"{key} = {value}\n" for key, value in keys.items())
    (folder / f"{name}.toml").write_text(SCENARIO.format(coordinator=f"[coordinator]\n{rows}"))
    command = ("run", f"{name}.toml", "-o", name, "--no-report", "--json", *options)
    return on.run(*on.python("-P", "-m", "experiments.cli", *command), cwd=folder, timeout=600)


def metadata(folder: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((folder / "metadata.json").read_text())
    return found


def test_a_run_beyond_loopback_has_tls_and_the_same_joules(tmp_path: Path) -> None:
    with hosts(1) as (host,):
        address = f'"{host.address}"'
        done = run(host, tmp_path, "tls", "--fleet", "ray", host=address)
        assert done.returncode == 0, done.stderr
        assert f"mutual TLS on every port ({host.address})" in str(
            metadata(tmp_path / "tls")["transport_security"]
        )
        alone = run(host, tmp_path, "alone")
        assert alone.returncode == 0, alone.stderr
    assert not list(tmp_path.glob("*/access"))
    for table in ("lines", "batch_flows", "energy_flows"):
        frames = [pd.read_parquet(tmp_path / name / f"{table}.parquet") for name in ("alone", "tls")]
        assert len(frames[0]) > 0
        pd.testing.assert_frame_equal(*frames)
    flows = pd.read_parquet(tmp_path / "tls" / "batch_flows.parquet").query("owner != executor")
    assert flows["batches"].sum() > 0, "batches moved between nodes"
