"""Strategies that pull a model at another (ditto, fedprox): with a pull that is too strong every step goes further
beyond what it pulls to.

The term lambda/2 |v - w|^2 alone takes a step of SGD from v - w to (1 - eta lambda)(v - w): with eta lambda above 2
that is longer than before, whatever is learned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.errors import UsageError

if TYPE_CHECKING:
    from edge_node.tasks.base import Task
    from experiments.scenario.model import Scenario

PULLS = {"ditto": "pull", "fedprox": "proximal_mu"}
"""Options by strategy that are lambda."""
MOST_TIMES_RATE = 2.0
MOST = 1e6
"""[C] For optimisers of the task's own, which scale gradients by themselves: far from the end of float32."""


def refuse_overshoot(scenario: Scenario, task: Task) -> None:
    """Raises UsageError, with its line, for a pull with which training cannot stay finite."""
    spec = scenario.task
    key = PULLS.get(spec.strategy, "")
    value = spec.strategy_options.get(key)
    if not isinstance(value, int | float):
        return
    rate, why = spec.learning_rate, f"with a pull above {MOST:g} numbers of float32 do not suffice"
    if scenario.stages.recycling:
        rate = max(rate, spec.recycling.learning_rate or 0.0)
    most = MOST
    if task.plain_steps():
        most = MOST_TIMES_RATE / rate
        why = f"a step of learning_rate = {rate:g} then ends further from the model that it is pulled to than it began"
    if value > most:
        with scenario.at("task", "strategy_options", key):
            raise UsageError(
                f"{key} = {value:g}; allowed are 0 to {most:.6g} here: {why}. Lower {key}"
                + (" or task.learning_rate" if task.plain_steps() else "")
            )
