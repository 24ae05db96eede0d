"""A comparison with a user's policy: what its report is about, and against what."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from experiments.errors import UsageError
from experiments.report.baselines import named, there
from experiments.report.boundary import Boundary
from experiments.report.focus import with_focus
from experiments.report.headline_tables import reductions
from experiments.report.html import headline
from experiments.report.lifecycle.spread import stated_reduction
from experiments.report.lifecycle.tornado import tornado
from experiments.report.read import Study, load
from experiments.run_folder.about import About

MINE = "lab.mine:Mine"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, write_sample_run: Callable[..., Path]) -> Path:
    """LOCAL, DETA and a policy of the user, two seeds."""
    whole = tmp_path_factory.mktemp("focus")
    for policy in ("local", "deta", "dat"):
        for seed in (0, 1):
            run = write_sample_run(whole / f"{policy}-s{seed}", policy, seed, nodes=3)
            if policy == "dat":  # its rule under another name
                metadata = json.loads((run / "metadata.json").read_text())
                metadata |= {"policy": MINE, "policy_says": "Work goes where the sun is."}
                (run / "metadata.json").write_text(json.dumps(metadata))
    return whole


@pytest.fixture(scope="module")
def study(folder: Path) -> Study:
    return load(folder)


def test_the_report_is_about_the_users_policy_and_begins_with_what_it_says(study: Study) -> None:
    assert study.focus == MINE
    top = headline(study)
    assert top["says"] == "Work goes where the sun is."
    assert top["sentence"].startswith(f"{MINE} emitted ")
    labels = [card["label"] for card in top["cards"]]
    for baseline in ("GRID", "LOCAL"):
        assert f"than {baseline}, nodes alone" in labels
        assert f"than {baseline}, whole testbed" in labels
    notes = [card["note"] for card in top["cards"] if card["label"] == "than LOCAL, whole testbed"]
    assert notes[0].startswith("95 % ")
    study.any_run.metadata.pop("policy_says")
    assert "has no docstring" in headline(study)["says"]


def test_a_baseline_of_choice_stands_first_with_its_interval(study: Study) -> None:
    against = with_focus(study, About(baseline="deta"))
    assert (there(against), named(against)) == (["grid", "local", "deta"], ("grid", "local", "deta"))
    stated = stated_reduction(against, MINE, "deta", Boundary.TESTBED)
    assert stated is not None
    assert stated.together.low <= stated.reduction <= stated.together.high
    runs = study.runs
    by_hand = [1 - runs[MINE][seed].emissions_g / runs["deta"][seed].emissions_g for seed in (0, 1)]
    assert stated.reduction == pytest.approx(sum(by_hand) / 2)
    assert "than DETA" in headline(against)["sentence"].partition("nodes alone")[2].partition("GRID")[0]
    table = reductions(against)
    assert table is not None
    assert set(table.frame["baseline"]) == {"grid", "local", "deta"}
    found = tornado(against, draws=50)
    assert found is not None
    assert (found.policy, found.baseline) == (MINE, "deta")


def test_the_focus_of_choice_goes_before_all_and_is_kept_by_a_comparison(study: Study, folder: Path) -> None:
    assert with_focus(study, About("local")).focus == "local"
    assert headline(with_focus(study, About("local")))["says"] == ""
    (folder / "compare.json").write_text(json.dumps({"focus": "deta", "baseline": "local"}))
    kept = load(folder)
    (folder / "compare.json").unlink()
    assert (kept.focus, kept.against) == ("deta", "local")
    assert with_focus(kept, About()) is kept


def test_what_cannot_be_is_refused(study: Study, folder: Path) -> None:
    with pytest.raises(UsageError, match="the report is about it already"):
        with_focus(study, About(baseline=MINE))
    with pytest.raises(UsageError, match="--focus dat: it is not compared"):
        with_focus(study, About("dat"))
    with pytest.raises(UsageError, match="is one run"):
        with_focus(load(folder / "local-s0"), About("local"))
