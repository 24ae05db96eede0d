"""Operating points of boards (DVFS): kept where the policy's name says ``+dvfs``, and refusals of what cannot be."""

from __future__ import annotations

from collections.abc import Sequence

from coordinator.negotiation.table import Negotiating
from coordinator.policies.registry import make_policy
from edge_node.config import BoardConfig
from edge_node.meters.registry import reads_sensor
from experiments.errors import UsageError
from experiments.resolve.chosen_policy import policy_settings
from experiments.resolve.served import chooses_points
from experiments.scenario.model import Scenario


def with_points(scenario: Scenario, boards: Sequence[BoardConfig]) -> tuple[BoardConfig, ...]:
    """The boards as the run has them: without operating points unless the policy chooses. Raises UsageError."""
    if not chooses_points(scenario.policy):
        return tuple(board.model_copy(update={"points": ()}) for board in boards)
    with scenario.at("policy"):
        if why := _impossible(scenario, boards):
            raise UsageError(f"policy {scenario.policy}: {why}")
    return tuple(boards)


def _impossible(scenario: Scenario, boards: Sequence[BoardConfig]) -> str:
    """Why no operating point can be chosen; empty where one can."""
    if not any(len(board.points) > 1 for board in boards):
        names = ", ".join(dict.fromkeys(board.name for board in boards))
        return (
            f"no board of this run has operating points ({names}); odroid-hc2 has, or list those of yours in its "
            "profile ([[points]]). A board whose static_w or busy_w the scenario replaces has none"
        )
    if scenario.task.is_app:
        return "rounds of an app are timed, whatever the clock is; remove +dvfs, or take a task"
    if isinstance(make_policy(scenario.policy, **policy_settings(scenario)), Negotiating):
        return "nodes that negotiate offer their work at full speed; take a policy that decides for the fleet"
    if scenario.time.clock == "wall" and scenario.fleet.kind != "daemons":
        return (
            "on the wall clock the board's own clock is set, and the nodes of this fleet share machines; take kind = "
            '"daemons", or the virtual clock'
        )
    meters = [scenario.fleet.meter, *(spec.meter for spec in scenario.nodes if spec.meter)]
    if scenario.time.clock != "wall" and (sensors := [meter for meter in meters if reads_sensor(meter)]):
        return (
            f"on the virtual clock a slower clock is by the model, and meter {sensors[0]} reads the board, which stays "
            "at full speed; take another meter, or the wall clock with daemons"
        )
    return ""
