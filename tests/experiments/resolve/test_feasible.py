"""Feasibility check before anything starts: conflicting limits, and by how much they conflict."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.cli import invoke

SLOW_NODE = """name = "slow"
policy = "POLICY"
[stages]
preparation = 1
development = 2
application = 0
recycling = 0
[time]
slot_s = 0.6
[task]
data = "digits"
batch_size = 16
local_epochs = 1
[fleet]
kind = "inprocess"
[[nodes]]
zone = "US-NW-SCL"
[[nodes]]
zone = "US-SE-SOCO"
board = { effective_flop_per_s = 4e8 }
[[nodes]]
zone = "US-NW-WACM"
"""


def test_impossible_for_local_is_refused_with_limit_and_amount(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "slow.toml"
    for command in ("check", "run"):
        path.write_text(SLOW_NODE.replace("POLICY", "local"))
        assert invoke([command, str(path)]) == 2
        said = capsys.readouterr().err
        assert "(D7) time of n1: 0.167 s too little in t1, and in 1 more slots" in said
    path.write_text(
        SLOW_NODE.replace("POLICY", "deta")
    )  # batches for which the slow board has no time may be offloaded
    assert invoke(["check", str(path), "--json"]) == 0
    assert [item.name for item in tmp_path.iterdir()] == ["slow.toml"]
