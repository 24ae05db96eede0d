"""TREE by run, service, node and slot: sums of sums, (T3) equal to (T1) until services are weighted."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest

from experiments.cli import invoke

SCENARIO = """name = "weighted"
[stages]
preparation = 0
development = 1
application = 2
recycling = 0
[time]
start = 2022-06-21T16:00:00Z
[task]
data = "digits"
batch_size = 16
batches_per_slot = 4
[inference]
arrivals = "poisson"
batches_per_slot = 3
requests_per_batch = 16
[fleet]
kind = "inprocess"
[[nodes]]
zone = "US-NW-SCL"
[[nodes]]
zone = "US-SE-SOCO"
"""
WEIGHTED = """[tree.services.mnist-mlp]
bit_weight = 0.5
answer_bits = 700.0
[tree.services.words]
token_weight = 2.0
bit_weight = 0.25
alpha_bits_per_token = 1000.0
saturation_tokens = 50.0
[[inference.services]]
name = "words"
data = "pydoc"
requests_per_s = 60.0
prompt_tokens = 6
answer_tokens = 3
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("tree")
    found = {}
    for name, extra in (("plain", ""), ("weighted", WEIGHTED)):
        path = root / f"{name}.toml"
        path.write_text(SCENARIO + extra)
        assert invoke(["run", str(path), "--output", str(root / name)]) == 0
        found[name] = root / name
    return found


def rows(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "tables/tree.csv", dtype={"name": str})


def test_every_window_is_there_and_parts_add_up(folders: dict[str, Path]) -> None:
    table = rows(folders["plain"])
    assert table.groupby("part").size().to_dict() == {
        "run": 1,
        "serving": 1,
        "service": 1,
        "node": 2,
        "slot": 3,
    }
    run = table[table.part == "run"].iloc[0]
    lines = pd.read_parquet(folders["plain"] / "lines.parquet")
    assert run.energy_j == pytest.approx(lines.energy_j.sum())
    for part in ("service", "node", "slot"):
        own = table[table.part == part]
        assert own.bits.sum() == run.bits
        assert own.tokens_out.sum() == run.tokens_out
    assert table[table.part == "slot"].energy_j.sum() == pytest.approx(run.energy_j)
    # A class of an image is not a token: services that classify have one figure.
    assert run.tokens_in == run.tokens_out == 0
    assert (table.tree_bit_per_j == table.ee_bit_per_j).all()
    serving = table[table.part == "serving"].iloc[0]
    assert serving.bits == run.bits
    assert serving.energy_j < run.energy_j
    assert table.groupby("part").divides_by.nunique().eq(1).all()
    assert table[table.part.isin(["run", "serving", "service", "node"])].divides_by.nunique() == 4
    assert "TREE by run, service, node and slot" in (folders["plain"] / "report.html").read_text()


def test_without_weights_the_weighted_form_is_the_plain_one(folders: dict[str, Path]) -> None:
    table = rows(folders["plain"])
    pd.testing.assert_series_equal(
        table.weighted_tree_bit_per_j, table.tree_bit_per_j, check_names=False, rtol=1e-12
    )


def test_weights_and_saturation_enter_as_in_t3(folders: dict[str, Path]) -> None:
    table = rows(folders["weighted"]).set_index(["part", "name"])
    images, words = table.loc[("service", "mnist-mlp")], table.loc[("service", "words")]
    assert words.tokens_in == 6 * words.requests > 0
    assert words.tokens_out == 3 * words.requests
    assert words.tree_bit_per_j > words.tree_generated_bit_per_j > words.ee_bit_per_j
    assert images.tree_bit_per_j == images.ee_bit_per_j
    of_images = 0.5 * images.bits + 700.0 * images.requests
    tokens = words.tokens_in + words.tokens_out
    of_words = 2.0 * 1000.0 * 50.0 * (1.0 - math.exp(-tokens / 50.0)) + 0.25 * words.bits
    assert images.weighted_tree_bit_per_j == pytest.approx(of_images / images.energy_j)
    assert words.weighted_tree_bit_per_j == pytest.approx(of_words / words.energy_j)
    run = table.loc["run"].iloc[0]
    assert run.weighted_tree_bit_per_j == pytest.approx((of_images + of_words) / run.energy_j)
