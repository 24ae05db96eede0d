"""Runs that serve a language model: what a scenario may say, and what it resolves to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from carbon_data.types import DataError
from edge_node.language.model_file import model_file
from edge_node.serving.arrivals import RequestPlan
from experiments.errors import UsageError
from experiments.resolve.language import request_flop
from experiments.resolve.prepare import describe
from experiments.resolve.resolve import resolve
from experiments.resolve.resolved import Resolved
from experiments.scenario.model import parse_scenario
from protos.messages.terms import Stage
from tests.language_model import fetched_model

HEAD = """name = "spoken"
[time]
slot_s = 100
"""
TAIL = """
[fleet]
kind = "inprocess"
[[nodes]]
zone = "DE"
[[nodes]]
zone = "FR"
"""


@pytest.fixture(scope="module")
def model() -> Path:
    return fetched_model()


@pytest.fixture
def resolved(model: Path) -> Callable[..., Resolved]:
    """Of a scenario with these tables; ``llm``: further keys of [task.llm]."""

    def make(
        inference: str = "",
        llm: str = "",
        task: str = "",
        stages: str = "application = 3",
        policy: str = "deta",
        time: str = "slot_s = 100",
        limits: str = "",
    ) -> Resolved:
        path = "" if "path" in llm else f'path = "{model}"\n'
        return resolve(
            parse_scenario(
                f'name = "spoken"\npolicy = "{policy}"\n[time]\n{time}\n[stages]\n{stages}\n[task]\nname = "llm"\n'
                f"{task}\n[task.llm]\n{path}{llm}\n[inference]\n{inference}\n[limits]\n{limits}\n{TAIL}"
            )
        )

    return make


def test_stages_that_are_not_named_have_no_slots(resolved: Callable[..., Resolved]) -> None:
    found = resolved("batches_per_slot = 1\nrequests_per_batch = 4\nprompt_tokens = 50\nanswer_tokens = 9")
    assert found.stages == (Stage.APPLICATION,) * 3
    assert not found.learns
    assert found.round_deadline_s == 3600.0
    one, two = found.node_configs("run", "", with_harvest=True)
    assert one.language is not None
    assert (one.language.prompt_tokens, one.language.answer_tokens, one.language.longest_tokens) == (
        50,
        9,
        50,
    )
    assert one.language == two.language
    assert one.language.path.endswith("SmolLM2-135M-Instruct.Q4_1.gguf")
    assert found.data_used == "SmolLM2-135M-Instruct.Q4_1"


def test_a_load_is_a_share_of_what_the_board_can_answer(resolved: Callable[..., Resolved]) -> None:
    found = resolved('arrivals = "poisson"\nload_fraction = 0.5')
    config = found.node_configs("run", "", with_harvest=True)[0]
    assert found.language is not None
    share = config.inference.rate_per_s[0] * request_flop(found.language) / config.board.effective_flop_per_s
    assert share == pytest.approx(0.5)


def test_calibrated_costs_take_the_place_of_counted_operations(
    resolved: Callable[..., Resolved], model: Path, tmp_path: Path
) -> None:
    costs = tmp_path / "costs.toml"
    figures = "j = 0.0\nj_per_token = 0.02\nj_per_token2 = 0.0\n"
    step = "j = 0.01\nj_per_request = 0.0\nj_per_request_and_token = 0.0\n"
    sha256 = model_file(model).sha256
    costs.write_text(f'sha256 = "{sha256}"\nwatts = 2.0\n[prefill]\n{figures}[step]\n{step}')
    lengths = 'arrivals = "poisson"\nload_fraction = 0.5\nprompt_tokens = 50\nanswer_tokens = 11'
    config = resolved(lengths, f'costs = "{costs}"').node_configs("run", "", with_harvest=True)[0]
    seconds = (50 * 0.02 + 10 * 0.01) / 2.0
    assert config.inference.rate_per_s[0] * seconds == pytest.approx(0.5)
    costs.write_text("watts = 2.0")
    with pytest.raises(UsageError, match="has no sha256"):
        resolved(lengths, f'costs = "{costs}"')


@pytest.mark.parametrize("joules", ["-1e9", "1e300"])
@pytest.mark.parametrize("arrivals", ["poisson", "trace"])
def test_costs_by_which_a_request_takes_nothing_or_more_than_can_be_are_refused(
    resolved: Callable[..., Resolved], model: Path, tmp_path: Path, joules: str, arrivals: str
) -> None:
    costs, trace = tmp_path / "costs.toml", tmp_path / "trace.csv"
    trace.write_text("arrival_s,tokens_in,tokens_out\n1,50,11\n")
    figures = f"j = {joules}\nj_per_token = 0.02\nj_per_token2 = 0.0\n"
    step = f"j = {joules}\nj_per_request = 0.0\nj_per_request_and_token = 0.0\n"
    costs.write_text(
        f'sha256 = "{model_file(model).sha256}"\nwatts = 2.0\n[prefill]\n{figures}[step]\n{step}'
    )
    asked = {"poisson": "load_fraction = 0.5", "trace": f'path = "{trace}"'}[arrivals]
    with pytest.raises(UsageError, match="allowed are more than 0"):
        resolved(f'arrivals = "{arrivals}"\n{asked}', f'costs = "{costs}"')


def test_requests_at_once_share_their_steps_in_load_and_slot(
    resolved: Callable[..., Resolved], model: Path, tmp_path: Path
) -> None:
    """A share of the board's time, and the length of a slot, are by the seconds that policies plan with."""
    costs = tmp_path / "costs.toml"
    figures = "j = 0.0\nj_per_token = 0.02\nj_per_token2 = 0.0\n"
    step = "j = 0.4\nj_per_request = 0.0\nj_per_request_and_token = 0.0\n"
    costs.write_text(
        f'sha256 = "{model_file(model).sha256}"\nwatts = 2.0\n[prefill]\n{figures}[step]\n{step}'
    )
    llm = f'costs = "{costs}"\nat_once = 4'
    lengths = "requests_per_batch = 8\nprompt_tokens = 50\nanswer_tokens = 11\n"
    batch_s = (8 * 50 * 0.02 + 2 * 10 * 0.4) / 2.0  # eight prompts, two groups of ten steps
    load = f'{lengths}arrivals = "poisson"\nload_fraction = 0.5'
    config = resolved(load, llm).node_configs("run", "", with_harvest=True)[0]
    assert config.inference.rate_per_s[0] * batch_s / 8 == pytest.approx(0.5)
    found = resolved(f"{lengths}batches_per_slot = 3", llm, time='slot_s = "auto"')
    assert found.slot_s == pytest.approx(3 * batch_s / 0.5)


def test_what_check_shows_is_what_nodes_are_asked(resolved: Callable[..., Resolved]) -> None:
    found = resolved('arrivals = "poisson"\nrequests_per_s = 0.05\nrequests_per_batch = 2\nmax_wait_s = 10')
    plans = [RequestPlan.of(config) for config in found.node_configs("run", "", with_harvest=True)]
    assert found.batches_per_node == tuple(max(plan.released) for plan in plans)
    asked = sum(len(plan.arrival_s) for plan in plans)
    assert found.summary()["requests"] == found.planned_requests == asked > 0
    said = describe(found)
    assert said["batches a node and slot"].endswith("in the fullest slot")
    assert said["requests"] == f"{asked} in the run, {asked / 6:.3g} a node and slot on average"


def test_requests_that_may_come_together_are_a_nodes_own_and_the_share_that_may_move(
    resolved: Callable[..., Resolved],
) -> None:
    load = 'arrivals = "poisson"\nrequests_per_s = 6'  # 600 a slot at each of two nodes
    assert resolved(load, policy="local").batches_per_node
    assert resolved(load, limits="offload_cap_fraction = 0.5").batches_per_node
    with pytest.raises(UsageError, match="about 1200 requests could come together"):
        resolved(load, limits="offload_cap_fraction = 1.0")


def test_work_that_does_not_fit_names_keys_of_a_language_model(resolved: Callable[..., Resolved]) -> None:
    with pytest.raises(
        UsageError, match=r"lower inference\.batches_per_slot, .* or inference\.answer_tokens"
    ):
        resolved("batches_per_slot = 4\nrequests_per_batch = 4", policy="local")


def test_lengths_of_a_trace_are_those_of_each_nodes_requests(
    resolved: Callable[..., Resolved], tmp_path: Path
) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(
        "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:00:00,400,40\n2023-11-16 18:00:10,100,20\n"
        "2023-11-16 18:00:20,60,10\n2023-11-16 19:00:00,9000,10\n"
    )
    found = resolved(f'arrivals = "trace"\npath = "{path}"\ntokens_fraction = 0.5')
    one, two = found.node_configs("run", "", with_harvest=True)
    assert one.inference.times_s == (0.0, 20.0)
    assert one.language is not None
    assert two.language is not None
    assert (one.language.lengths, two.language.lengths) == (((200, 20), (30, 5)), ((50, 10),))
    # The last one comes after the run, and fits no context.
    assert one.language.longest_tokens == two.language.longest_tokens == 200
    with pytest.raises(UsageError, match=r"1 of 4 requests of .* longer than the context of 2048"):
        resolved(f'arrivals = "trace"\npath = "{path}"\nrequests_per_s = 0.01')


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"stages": "application = 1\ndevelopment = 2"}, "serves a model that is finished"),
        ({"task": "local_epochs = 2"}, "local_epochs has no effect"),
        ({"task": 'data = "digits"'}, "has no effect with name"),
        ({"inference": "prompt_tokens = 2000\nanswer_tokens = 100"}, "do not fit the context of 2048"),
        ({"inference": 'arrivals = "poisson"\nrequests_per_s = 50'}, "up to 1000, for every one"),
        (
            {"inference": '[[inference.services]]\ntask = "tiny-gpt"\nrequests_per_s = 1'},
            "remove the service",
        ),
        ({"llm": f'sha256 = "{"0" * 64}"'}, "expected 0000"),
        ({"llm": 'path = "none.gguf"'}, "cannot be read"),
    ],
)
def test_what_has_no_effect_or_no_model_is_refused(
    resolved: Callable[..., Resolved], given: dict[str, str], message: str
) -> None:
    with pytest.raises((UsageError, DataError), match=message):
        resolved(**given)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("[task.llm]\nthreads = 2", r"\[task.llm\] is for"),
        ("[inference]\nprompt_tokens = 9", "prompt_tokens is for"),
        ("[inference]\nshared_tokens = 9", "shared_tokens is for"),
    ],
)
def test_its_keys_are_for_it_alone(table: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        resolve(parse_scenario(f"{HEAD}{table}\n{TAIL}"))
