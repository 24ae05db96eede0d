"""How a run serves: words after a policy's name, and refusals of what would have no effect or would not be true."""

from __future__ import annotations

import pytest

from experiments.errors import UsageError
from experiments.resolve.prepare import known_policy
from experiments.resolve.resolve import resolve
from experiments.resolve.served import check_serving
from experiments.runs.resume import run_name
from experiments.runs.run import run_id_of
from experiments.scenario.model import Scenario, parse_scenario
from tests.scenarios import SMALL

LINKS = SMALL.replace(
    "[inference]", '[inference]\nupload_s = 1.0\narrivals = "poisson"\nrequests_per_s = 0.1'
).replace("batches_per_slot = 4\n", "")


def scenario(text: str = LINKS, **changes: object) -> Scenario:
    return parse_scenario(text).model_copy(update=changes)


def test_words_after_a_policy_say_how_its_run_serves() -> None:
    plain, said = (resolve(scenario(policy=name)) for name in ("local", "local+link+predictive"))
    assert {(one.batching, one.between) for one in plain.inference} == {("fixed", "awake")}
    assert {(one.batching, one.between) for one in said.inference} == {("link", "predictive")}
    # The scenario that is written is the same, so that the two are compared.
    assert said.scenario.inference == plain.scenario.inference
    assert known_policy("dat+alone") == "dat+alone"


def test_the_names_of_runs_have_no_signs_that_messages_refuse() -> None:
    assert run_name("local+link", 3) == "local.link-s3"
    assert run_id_of(scenario(policy="local+link", seed=3)) == "small-local.link-s3"


@pytest.mark.parametrize(
    ("policy", "why"),
    [
        ("local+quick", "allowed are alone, fixed, link, awake, reactive, predictive, dvfs; got 'quick'"),
        ("local+alone+link", "alone and link both set inference.batching"),
        ("nobody+link", "no policy is called 'nobody'"),
    ],
)
def test_words_that_say_nothing_are_refused(policy: str, why: str) -> None:
    with pytest.raises(UsageError, match=why.replace("+", r"\+")):
        known_policy(policy)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("upload_s = 1.0", 'batching = "link"', "give upload_s"),
        ("upload_s = 1.0", "upload_spread = 1.0", "has no effect without upload_s"),
        ("upload_s = 1.0", "idle_s = 9", 'idle_s has no effect with between = "awake"'),
        ("[time]", '[time]\nclock = "wall"\nslot_s = 2', "slots are on the wall clock"),
        (
            'zone = "US-SE-SOCO"',
            'zone = "US-SE-SOCO"\nsleep = { kind = "none" }',
            'the sleep of a node is "none"',
        ),
    ],
)
def test_what_would_not_be_true_is_refused(old: str, new: str, why: str) -> None:
    naps = 'between = "reactive"\n' if "slot" in why or "sleep of" in why else ""
    text = LINKS.replace(old, new).replace("[inference]\n", f"[inference]\n{naps}")
    with pytest.raises(UsageError, match=why):
        resolve(scenario(text))


def test_a_board_whose_sleep_is_not_known_does_not_sleep_between_batches() -> None:
    boards = resolve(scenario()).boards
    unknown = tuple(board.model_copy(update={"knows_sleep": False}) for board in boards)
    naps = scenario(LINKS.replace("[inference]\n", '[inference]\nbetween = "reactive"\n'))
    check_serving(naps, boards)
    with pytest.raises(UsageError, match="does not know what it draws asleep"):
        check_serving(naps, unknown)
