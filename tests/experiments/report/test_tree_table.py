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
token_weight = 2.0
bit_weight = 0.5
alpha_bits_per_token = 1000.0
saturation_tokens = 50.0
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
    assert table.groupby("part").size().to_dict() == {"run": 1, "service": 1, "node": 2, "slot": 3}
    run = table[table.part == "run"].iloc[0]
    lines = pd.read_parquet(folders["plain"] / "lines.parquet")
    assert run.energy_j == pytest.approx(lines.energy_j.sum())
    for part in ("service", "node", "slot"):
        own = table[table.part == part]
        assert own.bits.sum() == run.bits
        assert own.tokens_out.sum() == run.tokens_out
    assert table[table.part == "slot"].energy_j.sum() == pytest.approx(run.energy_j)
    assert (table.tree_bit_per_j >= table.ee_bit_per_j).all()
    assert "TREE by run, service, node and slot" in (folders["plain"] / "report.html").read_text()


def test_without_weights_the_weighted_form_is_the_plain_one(folders: dict[str, Path]) -> None:
    table = rows(folders["plain"])
    pd.testing.assert_series_equal(
        table.weighted_tree_bit_per_j, table.tree_bit_per_j, check_names=False, rtol=1e-12
    )


def test_weights_and_saturation_enter_as_in_t3(folders: dict[str, Path]) -> None:
    plain, table = rows(folders["plain"]), rows(folders["weighted"])
    pd.testing.assert_series_equal(table.tree_bit_per_j, plain.tree_bit_per_j)
    for row in table.itertuples():
        worth = 2.0 * 1000.0 * 50.0 * (1.0 - math.exp(-row.tokens_out / 50.0)) + 0.5 * row.bits
        assert row.weighted_tree_bit_per_j == pytest.approx(worth / row.energy_j)
