"""`detabed export`: another reader of the file finds the optimum that the policy plans on."""

from __future__ import annotations

from pathlib import Path

import highspy
import pandas as pd
import pytest

from experiments.cli import invoke
from experiments.errors import UsageError
from experiments.resolve.prepare import open_scenario
from experiments.runs.export import export_program, fleet_before, solving

SCENARIO = """name = "small"
[stages]
preparation = 1
development = 4
application = 1
recycling = 0
[time]
start = 2022-06-21T09:00:00Z
[task]
data = "digits"
batch_size = 16
[inference]
batches_per_slot = 2
requests_per_batch = 16
[forecast]
kind = "gaussian"
error_fraction = 0.1
[limits]
transfer_cap_over = "horizon"
deadline_slots = 1
[coordinator]
horizon_slots = 3
[fleet]
kind = "inprocess"
[[nodes]]
zone = "FR"
[[nodes]]
zone = "PL"
count = 2
harvest = { kind = "none" }
"""


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "small.toml"
    path.write_text(SCENARIO)
    return path


def read_back(path: Path) -> highspy.Highs:
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    assert highs.readModel(str(path)) == highspy.HighsStatus.kOk
    return highs


@pytest.mark.parametrize(
    ("policy", "slot", "ending"),
    [
        ("deta", 0, ".lp"),
        ("deta", 3, ".mps"),
        ("deta-tree", 2, ".lp"),
        ("oracle", 2, ".mps"),
        ("grid", 1, ".lp"),
    ],
)
def test_the_file_has_the_optimum_of_the_program(
    scenario: Path, tmp_path: Path, policy: str, slot: int, ending: str
) -> None:
    path = tmp_path / f"model{ending}"
    told = export_program(open_scenario(str(scenario), policy=policy), path, slot, solved=True)
    highs = read_back(path)
    assert (highs.getNumRow(), highs.getNumCol()) == (told.rows, told.columns)
    assert highs.getNumNz() == told.nonzeros
    highs.run()
    assert told.objective_g is not None
    assert highs.getObjectiveValue() == pytest.approx(told.objective_g, rel=1e-6, abs=1e-9)
    assert told.gap_fraction == 0.0
    assert told.horizon_slots == (6 - slot if policy == "oracle" else 3)
    text = path.read_text()
    assert "D2_green_bus.n0.t0" in text
    assert ("D6_transfer_cap.n0.t0" in text) == (policy not in ("grid",))


def test_nodes_that_may_sleep_make_whole_columns(scenario: Path, tmp_path: Path) -> None:
    sleeps = tmp_path / "sleeps.toml"
    sleeps.write_text(SCENARIO.replace("[limits]", "[limits]\nmay_sleep = true"))
    path = tmp_path / "model.lp"
    told = export_program(open_scenario(str(sleeps), policy="dat"), path, 1)
    assert told.integers == 3 * 3  # a_i(t) of three nodes and slots
    assert told.objective_g is None
    assert read_back(path).getNumCol() == told.columns


def test_before_slot_0_it_is_the_run_s_own_program(scenario: Path, tmp_path: Path) -> None:
    from coordinator.policies.deta import Deta
    from experiments.resolve.resolve import resolve

    run = tmp_path / "run"
    assert invoke(["run", str(scenario), "--policy", "deta", "-o", str(run), "--no-report"]) == 0
    decided = pd.read_parquet(run / "decisions.parquet").set_index("slot")["objective_g"]
    policy = Deta()
    fleet = fleet_before(resolve(open_scenario(str(scenario), policy="deta")), policy, 0)
    decision, _ = policy.decide(fleet, None)
    assert decision.notes["objective_g"] == pytest.approx(decided.loc[0], rel=1e-9)
    # and a transfer cap over the horizon is kept over the run, as the books have it
    slots = pd.read_parquet(run / "slots.parquet").sort_values("slot")
    sums = slots.groupby("node_id")[["export_j", "harvest_j"]].cumsum()
    assert (sums["export_j"] <= 0.5 * sums["harvest_j"] + 1e-5).all()
    assert sums["export_j"].max() > 0


def test_a_rule_has_no_program_and_the_error_names_policies_that_have(scenario: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"solves no program.*dat, .*det, deta, .*deta-tree"):
        export_program(open_scenario(str(scenario), policy="nearest-green"), tmp_path / "model.lp")
    assert "oracle" in solving()
    assert not (tmp_path / "model.lp").exists()
