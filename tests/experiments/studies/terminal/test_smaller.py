"""Smaller networks on the terminal: narrow ones with and without a teacher, and quantised ones; tables and checks."""

from __future__ import annotations

import pandas as pd
import pytest

from edge_node.energy.boards import load_board
from edge_node.splitting.controller import Scene
from edge_node.splitting.parameters import DEFAULT_BOARD, load_parameters
from experiments.studies.terminal.measure import Executed, accuracy
from experiments.studies.terminal.options import INT4, INT8, Options, scores
from experiments.studies.terminal.settings import INT8_COST_FRACTIONS, WIDTH_FRACTIONS
from experiments.studies.terminal.smaller import judge, quantisation_table, width_table
from experiments.studies.terminal.training import Data, Models

PARAMETERS = load_parameters()
SCENE = Scene(PARAMETERS.terminal(load_board(DEFAULT_BOARD)), PARAMETERS.server(), PARAMETERS.access_point())


@pytest.fixture(scope="module")
def images(data: Data, options: Options) -> list[Executed]:
    frames = data.test_frames[:, 0]
    found = []
    for option in options.local:
        share = accuracy([scores(option.model, frame) for frame in frames], data.test_labels)
        found.append(Executed(option.name, option.mechanism, share, 1.0, 0.0, 0.0, 0.0))
    return found


@pytest.fixture(scope="module")
def widths(images: list[Executed], options: Options, models: Models, data: Data) -> pd.DataFrame:
    return width_table(images, options, models, data.test_frames[:, 0], data.test_labels, SCENE)


@pytest.fixture(scope="module")
def quantised(images: list[Executed], options: Options, models: Models) -> pd.DataFrame:
    return quantisation_table(images, options, models.base, SCENE)


def test_networks_of_one_width_cost_the_same_however_they_were_trained(
    widths: pd.DataFrame, options: Options
) -> None:
    flop = {option.name: option.flop for option in options.local}
    assert tuple(widths["width_fraction"]) == WIDTH_FRACTIONS
    for width in WIDTH_FRACTIONS:
        assert flop[f"local, distilled {width:g}"] == flop[f"local, width {width:g}"]
    assert widths["terminal_j"].is_monotonic_decreasing
    assert widths["model_bytes"].is_monotonic_decreasing


def test_int8_saves_by_its_parameter_and_int4_weights_save_no_operation(quantised: pd.DataFrame) -> None:
    local_j = quantised.loc[quantised["option"] == "local", "terminal_j"].item()
    int8 = quantised[quantised["option"] == INT8]
    assert tuple(int8["operation_cost_fraction"]) == INT8_COST_FRACTIONS
    for row in int8.to_dict("records"):
        assert row["terminal_j"] == pytest.approx(row["operation_cost_fraction"] * local_j)
    int4 = quantised[quantised["option"] == INT4].iloc[0]
    assert int4["terminal_j"] == local_j
    assert int4["model_bytes"] < int8["model_bytes"].iloc[0] < quantised["model_bytes"].iloc[0] / 3
    assert (quantised["system_j"] == quantised["terminal_j"]).all()


def test_a_verdict_follows_its_limit(widths: pd.DataFrame, quantised: pd.DataFrame) -> None:
    good = widths.assign(
        unsplit_accuracy_fraction=0.97,
        pruned_accuracy_fraction=0.9,
        distilled_accuracy_fraction=0.96,
        alone_accuracy_fraction=0.95,
    )
    exact = quantised.assign(accuracy_fraction=0.97)
    found = judge(good, exact)
    assert {check["verdict"] for check in found.values()} == {"met"}
    assert "-0%" not in found["int8"]["ours"]
    assert "-0.0%" not in found["int8"]["ours"]
    bad = good.assign(distilled_accuracy_fraction=[0.96, 0.94, 0.94])
    found = judge(bad, exact.assign(accuracy_fraction=[0.97, 0.94, 0.94, 0.94, 0.96]))
    verdicts = {name: check["verdict"] for name, check in found.items()}
    assert verdicts == {
        "distillation": "met",  # width 0.75 loses 1 % and saves 42 %
        "teacher": "not met",
        "int8": "not met",
        "int4-weights": "met",
    }
