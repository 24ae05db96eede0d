"""The life cycle of real runs: its sums equal the ledger's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments.report.lifecycle import lifecycle_of
from experiments.report.measures import totals
from experiments.report.read import load


def test_stages_devices_and_columns_add_up(small_comparison: Path) -> None:
    found = lifecycle_of(small_comparison / "deta-s0")
    json.dumps(found, allow_nan=False)
    emitted = totals(load(small_comparison / "deta-s0").any_run).emissions_g
    assert sum(stage["operational_g"] for stage in found["stages"]) == pytest.approx(emitted, rel=1e-9)
    embodied = found["embodied"]
    assert sum(stage["embodied_g"] for stage in found["stages"]) == pytest.approx(embodied["value"], rel=1e-9)
    assert sum(device["share_g"] for device in embodied["devices"]) == pytest.approx(
        embodied["value"], rel=1e-9
    )
    assert {device["owner"] for device in embodied["devices"]} == {"coordinator", "n0", "n1", "n2"}
    whole = found["sci"][-1]
    assert whole["sci_g_per_unit"] == pytest.approx(emitted + embodied["value"], rel=1e-9)
    assert found["columns"]["location_based_average"]["value"] == pytest.approx(emitted, rel=1e-9)
    for name in ("market_based", "marginal"):
        assert found["columns"][name]["value"] is None
        assert found["columns"][name]["reason"]
    assert found["columns"]["harvest_life_cycle"]["value"] > 0
    assert all(factor["source"] for factor in found["factors"])
    assert found["per_inference"]["inferences"] == 2 * 3 * 4 * 16


def test_a_comparison_states_its_reductions_with_three_intervals(small_comparison: Path) -> None:
    found = lifecycle_of(small_comparison)
    assert len(found["runs"]) == 4
    rows = [row for row in found["reductions"] if (row["policy"], row["baseline"]) == ("deta", "local")]
    assert [row["boundary"] for row in rows] == ["nodes", "testbed"]
    for row in rows:
        assert row["seeds"] == 2
        for name in ("readings", "seeds_interval", "together"):
            assert row[name]["low"] <= row["reduction"] <= row[name]["high"]
        assert row["together"]["low"] <= row["readings"]["low"]
    assert found["errors"]["gain_std_fraction"] > 0.1  # modelled readings are no better than that
    factor = found["network_factor"]
    assert factor["low_j_per_byte"] < factor["high_j_per_byte"]
    booked = factor["booked_j_per_byte"]
    assert found["errors"]["meter_range"]["network"] == pytest.approx(
        [factor["low_j_per_byte"] / booked, factor["high_j_per_byte"] / booked]
    )
