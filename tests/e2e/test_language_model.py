"""Whole runs that serve the real small language model: every token's joules are in the books, on fleets of two
kinds."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from experiments.cli import invoke
from experiments.run_folder.verify import verify_run
from tests.language_model import fetched_model

pytestmark = pytest.mark.processes

SCENARIO = """name = "spoken"
policy = "deta"
[time]
slot_s = 60
start = 2022-06-21T18:00:00Z
[stages]
application = {slots}
[task]
name = "llm"
[task.llm]
path = "{model}"
context_tokens = 256
[inference]
arrivals = "poisson"
requests_per_s = 0.05
requests_per_batch = 2
prompt_tokens = 24
answer_tokens = 6
[fleet]
kind = "{kind}"
meter = "cpu-time"
[[nodes]]
zone = "US-NW-SCL"
[[nodes]]
zone = "US-SE-SOCO"
"""


def run(folder: Path, kind: str, slots: int) -> Path:
    scenario = SCENARIO.format(kind=kind, slots=slots, model=fetched_model(folder))
    (folder / "scenario.toml").write_text(scenario)
    arguments = ["run", str(folder / "scenario.toml"), "--output", str(folder / "run")]
    assert invoke([*arguments, *(() if kind == "inprocess" else ("--no-report",))]) == 0
    return folder / "run"


def table(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(folder / f"{name}.parquet")


@pytest.fixture(scope="module")
def inprocess(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tmp_path_factory.mktemp("inprocess"), "inprocess", 2)


def check(folder: Path) -> None:
    """The books are sound, and every joule of the nodes' work has its request."""
    assert verify_run(folder)["ok"]
    requests, serving, lines = (table(folder, name) for name in ("requests", "serving", "lines"))
    assert len(requests) == serving.requests.sum() > 0
    assert not requests[["slot", "owner", "batch_id", "place"]].duplicated().any()
    assert (requests.tokens_cached + requests.tokens_prefilled == 24).all()
    assert (requests.tokens_out == 6).all()
    assert (requests.tokens_decoded == 5).all()
    own = lines[
        (lines.stage == "application")
        & lines.node_id.isin(serving.node_id)
        & lines.component.isin(["compute", "static", "waste"])
    ]
    by_line = own.groupby(["slot", "node_id"])[["energy_j", "operational_g"]].sum()
    requests["energy_j"] = requests.prefill_j + requests.decode_j + requests.wasted_j
    by_request = requests.groupby(["slot", "node_id"])[["energy_j", "operational_g"]].sum()
    pd.testing.assert_frame_equal(by_request, by_line.astype(float), check_exact=False, rtol=1e-9)
    assert (requests.first_token_s < requests.latency_s).all()
    assert (requests.wire_bytes > requests.bits / 8).all()


def test_every_joule_of_a_run_has_its_request(inprocess: Path) -> None:
    check(inprocess)


def test_serving_has_the_sums_of_its_requests(inprocess: Path) -> None:
    requests, serving = table(inprocess, "requests"), table(inprocess, "serving")
    sums = [
        "tokens_cached",
        "tokens_prefilled",
        "tokens_decoded",
        "wire_bytes",
        "bits",
        "prefill_j",
        "decode_j",
    ]
    for name in sums:
        assert serving[name].sum() == pytest.approx(requests[name].sum())
    assert serving.failed_requests.sum() == 0
    row = serving.iloc[0]
    assert row.joules_per_token_prefilled == pytest.approx(row.prefill_j / row.tokens_prefilled)
    assert row.grams_per_1000_tokens > 0
    assert row.tree_serving_bit_per_j > row.ee_serving_bit_per_j


def test_a_fleet_in_processes_of_its_own_serves_too(tmp_path: Path) -> None:
    check(run(tmp_path, "ray", 1))
