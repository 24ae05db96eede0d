"""Batches of a language model that find no time on the wall clock are refused before the run."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_node.language.model_file import model_file
from experiments.errors import UsageError
from experiments.resolve.overfull import undone_batches
from experiments.resolve.resolve import resolve
from experiments.resolve.resolved import Resolved
from experiments.scenario.model import parse_scenario
from tests.language_model import fetched_model

SCENARIO = """name = "spoken"
policy = "{policy}"
[time]
clock = "{clock}"
slot_s = {slot_s}
[stages]
application = 3
[task]
name = "llm"
[task.llm]
path = "{model}"
{costs}
[inference]
arrivals = "poisson"
requests_per_s = 0.1
requests_per_batch = 4
max_wait_s = 60
prompt_tokens = 100
answer_tokens = 11
[fleet]
kind = "inprocess"
meter = "cpu-time"
[[nodes]]
zone = "DE"
[[nodes]]
zone = "FR"
"""


@pytest.fixture(scope="module")
def model() -> Path:
    return fetched_model()


def resolved(
    model: Path, *, policy: str = "deta", clock: str = "wall", slot_s: int = 60, costs: str = ""
) -> Resolved:
    told = SCENARIO.format(model=model, policy=policy, clock=clock, slot_s=slot_s, costs=costs)
    return resolve(parse_scenario(told))


def calibrated(folder: Path, model: Path, j_per_token: float) -> str:
    """A file of costs at which a request takes 100 tokens times ``j_per_token`` at 2 W."""
    path = folder / "costs.toml"
    nothing = "j = 0.0\nj_per_request = 0.0\nj_per_request_and_token = 0.0\n"
    read = f"j = 0.0\nj_per_token = {j_per_token}\nj_per_token2 = 0.0\n"
    path.write_text(f'sha256 = "{model_file(model).sha256}"\nwatts = 2.0\n[prefill]\n{read}[step]\n{nothing}')
    return f'costs = "{path}"'


@pytest.mark.parametrize("policy", ["local", "deta"])
def test_a_batch_longer_than_a_slot_is_refused_by_calibrated_seconds(
    policy: str, model: Path, tmp_path: Path
) -> None:
    with pytest.raises(
        UsageError, match=r"batches find no time in their slots of 60 s.*by the calibrated costs"
    ):
        resolved(model, policy=policy, costs=calibrated(tmp_path, model, 1.0))
    assert resolved(model, policy=policy, costs=calibrated(tmp_path, model, 0.01)).slot_s == 60


def test_without_costs_seconds_are_counted_and_the_sentence_says_so(model: Path) -> None:
    with pytest.raises(UsageError, match=r"counted at the board's speed in training; task\.llm\.costs names"):
        resolved(model)
    assert resolved(model, clock="virtual").slot_s == 60


def test_where_work_moves_all_nodes_time_counts_as_one() -> None:
    assert undone_batches([5, 0, 0], 3, 0) == 2
    assert undone_batches([5, 0, 0], 3, 1) == 0
    assert undone_batches([5, 3, 3], 3, 1) == 2
    assert undone_batches([1, 1], 0, 3) == 2
    assert undone_batches([], 4, 0) == 0


@pytest.mark.parametrize("policy", ["local", "deta"])
def test_a_learned_task_on_the_wall_clock_is_not_asked_for_a_language_models_time(policy: str) -> None:
    told = (
        f'name = "learned"\npolicy = "{policy}"\n[time]\nclock = "wall"\nslot_s = 5.0\n[task]\ndata = "digits"\n'
        'batches_per_slot = 2\n[fleet]\nkind = "inprocess"\n[[nodes]]\nzone = "DE"\ncount = 2\n'
    )
    assert resolve(parse_scenario(told)).slot_s == 5.0
