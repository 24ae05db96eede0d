"""Cost of a decision compared with one bare solver call on the same program: used by benchmarks.fleet and
.optimiser."""

from __future__ import annotations

import statistics
import time
from dataclasses import asdict, dataclass

from coordinator.market.instances import reference_day
from coordinator.market.program import build
from coordinator.market.solve import Session
from coordinator.policies.deta import Deta


@dataclass(frozen=True, slots=True)
class DecisionTimes:
    """Medians over ``repeats``, wall seconds; ``ratio`` is the median of decide / bare, pair by pair."""

    nodes: int
    slots: int
    repeats: int
    build_s: float
    """Numbers of the fleet into the program."""
    pass_s: float
    """Program to the solver."""
    run_s: float
    """The solver's own run."""
    bare_s: float
    """Pass and run."""
    decide_s: float
    """DETA's whole decide: build, solve, whole batches, energy planned again for them."""
    ratio: float

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


def measure_decision(nodes: int = 10, slots: int = 1, repeats: int = 30) -> DecisionTimes:
    """Time DETA's decision and the bare call in turns on the reference day, so that both see the same
    machine."""
    fleet, policy = reference_day(slots, nodes), Deta()
    policy.decide(fleet, None)  # the layout is built once and kept
    program = build(fleet, policy.restrictions, whole_batches=True)
    samples: dict[str, list[float]] = {"build": [], "pass": [], "run": [], "bare": [], "decide": []}
    for _ in range(repeats):
        started = time.perf_counter()
        program = build(fleet, policy.restrictions, whole_batches=True)
        built = time.perf_counter()
        solution = Session(program).run()
        solved = time.perf_counter()
        policy.decide(fleet, None)
        decided = time.perf_counter()
        samples["build"].append(built - started)
        samples["pass"].append(solution.pass_s)
        samples["run"].append(solution.run_s)
        samples["bare"].append(solved - built)
        samples["decide"].append(decided - solved)
    median = {name: statistics.median(values) for name, values in samples.items()}
    ratio = statistics.median(d / b for d, b in zip(samples["decide"], samples["bare"], strict=True))
    return DecisionTimes(
        nodes,
        slots,
        repeats,
        build_s=median["build"],
        pass_s=median["pass"],
        run_s=median["run"],
        bare_s=median["bare"],
        decide_s=median["decide"],
        ratio=ratio,
    )
