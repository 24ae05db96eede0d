"""How a run serves: batches, users' links, sleep between batches. What a policy's name adds, and refusals."""

from __future__ import annotations

from typing import get_args

from edge_node.config import Batching, Between, BoardConfig
from edge_node.meters.registry import reads_sensor
from experiments.errors import UsageError
from experiments.resolve.sleep import node_sleep
from experiments.scenario.model import Scenario
from protos.messages.terms import Stage

SIGN = "+"
"""Between a policy and how its run serves: ``local+link+predictive``."""
DVFS = "dvfs"
"""After a policy: it chooses each board's operating point. Of slots of every stage, so that no key says it."""
WORDS = dict.fromkeys(get_args(Batching), "batching") | dict.fromkeys(get_args(Between), "between")


def serving_of(policy: str) -> dict[str, str]:
    """Keys of ``[inference]`` that a policy's name sets, by the words after it (``dvfs`` sets none).

    Raises UsageError for a word that says nothing, and for two that contradict each other."""
    name, *words = policy.split(SIGN)
    said: dict[str, str] = {}
    if words.count(DVFS) > 1:
        raise UsageError(f"policy {policy}: {DVFS} stands there twice; keep one")
    for word in words:
        if word == DVFS:
            continue
        key = WORDS.get(word)
        if key is None:
            raise UsageError(
                f"policy {policy}: after {name}{SIGN} allowed are {', '.join(WORDS)}, {DVFS}; got {word!r}"
            )
        if key in said:
            raise UsageError(f"policy {policy}: {said[key]} and {word} both set inference.{key}; keep one")
        said[key] = word
    return said


def chooses_points(policy: str) -> bool:
    """Whether a policy's name says that operating points are chosen."""
    return DVFS in policy.split(SIGN)[1:]


def with_serving(scenario: Scenario) -> Scenario:
    """The scenario as its policy's name says that it serves. Raises UsageError."""
    said = serving_of(scenario.policy)
    if not said:
        return scenario
    return scenario.model_copy(update={"inference": scenario.inference.model_copy(update=said)})


def check_serving(scenario: Scenario, boards: tuple[BoardConfig, ...]) -> None:
    """Refuse sleep between batches where boards would not sleep, and links without seconds. ``boards``: of every
    node. Raises UsageError."""
    spec = scenario.inference
    if spec.batching == "link" and not spec.upload_s:
        with scenario.at("inference", "batching"):
            raise UsageError(
                'batching = "link" releases batches by what users\' links bring, and requests are there at once: give '
                "upload_s, the seconds that one takes"
            )
    if spec.upload_spread and not spec.upload_s:
        with scenario.at("inference", "upload_spread"):
            raise UsageError(
                "upload_spread has no effect without upload_s, the seconds that it spreads; give both"
            )
    if spec.between == "awake":
        if spec.idle_s != type(spec).model_fields["idle_s"].default:
            with scenario.at("inference", "idle_s"):
                raise UsageError(
                    'idle_s has no effect with between = "awake"; remove it, or let boards sleep'
                )
        return
    with scenario.at("inference", "between"):
        if Stage.APPLICATION not in scenario.stages.slots():
            raise UsageError(f'between = "{spec.between}" is for slots of application, and there are none')
        if why := _cannot_nap(scenario, boards):
            raise UsageError(
                f'between = "{spec.between}" is sleep by the model, and {why}; give between = "awake", or change that'
            )


def _cannot_nap(scenario: Scenario, boards: tuple[BoardConfig, ...]) -> str:
    """Why boards cannot sleep between batches; empty where they can."""
    if scenario.time.clock != "virtual":
        return "slots are on the wall clock"
    specs = [spec for spec in scenario.nodes for _ in range(spec.count)]
    for spec, board in zip(specs, boards, strict=True):
        told, meter = node_sleep(scenario, spec), spec.meter or scenario.fleet.meter
        if not board.knows_sleep:
            return f"the profile of {board.name} does not know what it draws asleep"
        if reads_sensor(meter):
            return f"meter {meter} reads the board, which would draw its idle power"
        if told is not None and told.kind != "modelled":
            return f'the sleep of a node is "{told.kind}"'
    return ""
