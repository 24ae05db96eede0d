"""``import detabed``: the functions and objects that a notebook works with, on real in-process runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import detabed

POLICY = """
from detabed import Local


class Idle(Local):
    name = "idle"
"""


@pytest.fixture(scope="module")
def scenario() -> detabed.Scenario:
    return detabed.Scenario(
        name="tiny",
        nodes=({"zone": "DE", "count": 2}, {"zone": "FR", "count": 1}),
        stages={"preparation": 1, "development": 2, "application": 1, "recycling": 1},
        task={"data": "digits"},
        fleet={"kind": "inprocess"},
    )


@pytest.fixture(scope="module")
def comparison(scenario: detabed.Scenario, tmp_path_factory: pytest.TempPathFactory) -> detabed.Comparison:
    folder = tmp_path_factory.mktemp("library") / "compared"
    return detabed.compare(scenario, ["local", "deta"], seeds=2, output=folder, progress=False)


def test_a_run_has_tables_that_agree_with_its_totals(scenario: detabed.Scenario, tmp_path: Path) -> None:
    run = detabed.run(scenario, policy="local", seed=3, output=tmp_path / "run", progress=False)
    assert (run.policy, run.seed, run.scenario.name) == ("local", 3, "tiny")
    assert len(run.slots) == 5 * 3
    assert list(run.rounds["stage"].unique()) == ["development", "recycling"]
    assert set(run.nodes["zone"]) == {"DE", "FR"}
    total = run.totals.loc[("local", 3)]
    assert run.lines["operational_g"].sum() == pytest.approx(total["emissions_g"], rel=1e-12)
    # LOCAL neither sends energy nor moves work.
    assert run.energy_flows.empty
    assert run.batch_flows.empty
    assert run.verify()["ok"]
    reopened = detabed.open(run.folder)
    assert isinstance(reopened, detabed.Run)
    pd.testing.assert_frame_equal(reopened.slots, run.slots)


def test_tables_are_copies(comparison: detabed.Comparison) -> None:
    run = comparison["deta", 0]
    table = run.slots
    table.loc[:, "slot"] = -1
    assert (run.slots["slot"] >= 0).all()


def test_a_comparison_states_reductions_with_intervals(comparison: detabed.Comparison) -> None:
    assert comparison.policies == ("local", "deta")
    assert comparison.seeds == (0, 1)
    assert len(comparison) == len(list(comparison)) == 4
    against = comparison.reductions.query("policy == 'deta' and baseline == 'local'").iloc[0]
    assert (
        against["nodes_low_fraction"] <= against["nodes_reduction_fraction"] <= against["nodes_high_fraction"]
    )
    grams = comparison.totals["emissions_g"]
    paired = [1 - grams["deta", seed] / grams["local", seed] for seed in comparison.seeds]
    assert against["testbed_reduction_fraction"] == pytest.approx(sum(paired) / 2, rel=0.02)
    assert (comparison.regret["regret_g"] > -1e-9).all()
    assert isinstance(detabed.open(comparison.folder), detabed.Comparison)


def test_figures_are_matplotlibs_and_found_by_the_beginning_of_their_name(
    comparison: detabed.Comparison,
) -> None:
    run = comparison["deta", 1]
    assert run.figure("emissions") is run.figure(next(n for n in run.figures if n.startswith("emissions-")))
    assert run.figure("accuracy").axes
    assert run.figure("emission") is run.figure("emissions")
    with pytest.raises(KeyError, match="no figure 'banana'; there are"):
        run.figure("banana")


def test_notebooks_show_the_headline(comparison: detabed.Comparison) -> None:
    shown = comparison._repr_html_()
    assert "than LOCAL" in shown
    assert "<b>" in shown
    assert "DETA emitted" in repr(comparison)


def test_a_policy_class_is_run_by_the_name_of_its_module(
    scenario: detabed.Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "idle_policy.py").write_text(POLICY)
    monkeypatch.syspath_prepend(tmp_path)
    import idle_policy  # type: ignore[import-not-found]

    run = detabed.run(scenario, policy=idle_policy.Idle, output=tmp_path / "run", progress=False)
    assert run.policy == "idle_policy:Idle"


def test_what_cannot_be_run_is_refused_before_anything_starts(
    scenario: detabed.Scenario, tmp_path: Path
) -> None:
    class Inner(detabed.Local):
        name = "inner"

    for call, text in (
        (lambda: detabed.run(scenario, policy=Inner), "other processes of the run cannot find it"),
        (lambda: detabed.run(scenario, policy=42), "allowed are a name and a class"),  # type: ignore[arg-type]
        (lambda: detabed.run(scenario, seed=-1), "seed -1: allowed are 0 to"),
        (lambda: detabed.run(scenario, fleet="cloud"), "allowed are ray, inprocess, virtual"),
        (lambda: detabed.compare(scenario, "local"), "give a list"),
        (lambda: detabed.compare(scenario, []), "policies is empty"),
        (lambda: detabed.compare(scenario, ["local"], seeds=0), "allowed is 1 or more"),
        (lambda: detabed.load(tmp_path / "absent.toml"), "no such file"),
    ):
        with pytest.raises(detabed.UsageError, match=text):
            call()


def test_importing_it_loads_no_framework_and_every_name_is_there() -> None:
    code = (
        "import sys, detabed\n"
        "assert not {'torch', 'ray', 'flwr', 'pandas', 'matplotlib'} & set(sys.modules), 'heavy import'\n"
        "for name in detabed.__all__: getattr(detabed, name)\n"
        "try: detabed.absent\n"
        "except AttributeError as error: assert 'it has' in str(error)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=_environment())


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])}
