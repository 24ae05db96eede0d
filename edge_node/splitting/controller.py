"""Dynamic partition: which option to run as the link changes, with hysteresis. Pure.

An option is a way to share out an inference, with the accuracy it was measured to have. Feasible is what meets the
latency and accuracy asked for (the constraint of (E3)); of these the one with the fewest joules is best. A change
costs nothing in the model but empties caches and makes decisions unstable, so that the partition changes only when the
best option saves more than ``margin_fraction`` for ``hold`` decisions in a row; from an infeasible option it changes
at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from edge_node.splitting.energy import AccessPoint, Cost, Link, Server, Split, Terminal, cost


class Objective(StrEnum):
    """Whose energy is minimised."""

    TERMINAL = "terminal"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Option:
    """One way to run the model."""

    name: str
    split: Split
    accuracy_fraction: float
    """Measured on the test set."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Objective, limits, and hysteresis of changes."""

    objective: Objective = Objective.TERMINAL
    deadline_s: float = float("inf")
    least_accuracy_fraction: float = 0.0
    margin_fraction: float = 0.1
    """Saving, relative to the current option, below which nothing changes."""
    hold: int = 3
    """Decisions in a row the saving must last."""

    def __post_init__(self) -> None:
        if self.deadline_s <= 0:
            raise ValueError(f"deadline_s is {self.deadline_s}; allowed is > 0")
        if not 0 <= self.margin_fraction < 1:
            raise ValueError(f"margin_fraction is {self.margin_fraction}; allowed is 0 <= share < 1")
        if self.hold < 1:
            raise ValueError(f"hold is {self.hold}; allowed is >= 1")


@dataclass(frozen=True, slots=True)
class State:
    """Between two decisions."""

    current: str
    candidate: str | None = None
    lasted: int = 0
    """Decisions in a row for which ``candidate`` was better by the margin."""


@dataclass(frozen=True, slots=True)
class Scene:
    """The machines, which do not change while the link does."""

    terminal: Terminal
    server: Server
    access_point: AccessPoint

    def cost(self, split: Split, link: Link) -> Cost:
        """(E3) of ``split`` over ``link``."""
        return cost(split, self.terminal, self.server, self.access_point, link)


def joules(spent: Cost, objective: Objective) -> float:
    """The joules that count."""
    return spent.terminal_j if objective is Objective.TERMINAL else spent.system_j


def best(options: Mapping[str, Option], scene: Scene, link: Link, rules: Rules) -> str:
    """Name of the best option at this link: the fewest joules among the feasible.

    Where nothing is feasible, the quickest among those accurate enough. Ties go to the first.

    Raises:
        ValueError: no option is accurate enough at all.
    """
    accurate = [o for o in options.values() if o.accuracy_fraction >= rules.least_accuracy_fraction]
    if not accurate:
        raise ValueError(
            f"no option reaches accuracy {rules.least_accuracy_fraction:.3f}; the best has "
            f"{max((o.accuracy_fraction for o in options.values()), default=0.0):.3f}: lower the bound"
        )
    spent = {option.name: scene.cost(option.split, link) for option in accurate}
    timely = [name for name, c in spent.items() if c.latency_s <= rules.deadline_s]
    if not timely:
        return min(spent, key=lambda name: spent[name].latency_s)
    return min(timely, key=lambda name: joules(spent[name], rules.objective))


def decide(state: State, options: Mapping[str, Option], scene: Scene, link: Link, rules: Rules) -> State:
    """One decision at this link; ``state.current`` of what is returned is to be run."""
    wanted = best(options, scene, link, rules)
    if wanted == state.current:
        return State(state.current)
    now, then = (scene.cost(options[name].split, link) for name in (state.current, wanted))
    infeasible = (
        now.latency_s > rules.deadline_s
        or options[state.current].accuracy_fraction < rules.least_accuracy_fraction
    )
    if infeasible:
        return State(wanted)
    saving = 1.0 - joules(then, rules.objective) / joules(now, rules.objective)
    if saving <= rules.margin_fraction:
        return State(state.current)
    lasted = state.lasted + 1 if state.candidate is not None else 1
    if lasted >= rules.hold:
        return State(wanted)
    return replace(state, candidate=wanted, lasted=lasted)
