"""Cost of a federated round over the fleet, compared with the same training in a bare loop.

Claim:   once started, a round of ten nodes over Ray (two processes, coordinator and ledger included) takes at
most
         0.85 times the bare sequential loop, the in-process fleet at most 1.15 times; a decision takes at
         most twice one bare solver call on the same program.
Cost:    --quick within a minute on two cores (fewer rounds, and only the figures of goals), otherwise about three.
Command: python -m benchmarks.fleet [--quick] [--json]

After every slot of the fleet one round of the bare loop is timed, while the nodes are idle, so that both see
the same machine; a ratio is the median over such pairs.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from flwr.app import Context, RecordDict
from flwr.serverapp.strategy import FedAvg
from numpy.typing import NDArray

from benchmarks._command import against, measuring, parser, show
from benchmarks._decision import measure_decision
from coordinator.adapters.flower_server import (
    LearningTask,
    Link,
    RunPlan,
    Schedule,
    SlotOutcome,
    Watch,
    build_server_app,
    logging_to,
)
from edge_node.adapters.flower_records import to_record
from edge_node.config import NodeConfig
from edge_node.tasks.build import build_workload
from edge_node.tasks.evaluation import initial_parameters
from edge_node.tasks.process import configure_process
from edge_node.tasks.registry import find_task
from experiments.fleet.base import Fleet
from experiments.fleet.inprocess import InProcessFleet
from experiments.fleet.ray_fleet import RayFleet
from experiments.fleet.session import open_session
from experiments.resolve.resolve import resolve
from experiments.resolve.resolved import Resolved
from experiments.scenario.model import parse_scenario
from protos.messages.terms import Stage

NODES = 10
ZONES = (
    *("US-NW-SCL", "US-NW-CHPD", "US-NW-GCPD", "US-NW-TPWR", "US-NE-ISNE"),
    *("US-MIDA-PJM", "US-SW-AZPS", "US-SE-SOCO", "US-NW-NEVP", "US-NW-GRID"),
)
WARM_UP = 2
"""Rounds at the start that do not count: first touches of memory, first calls of kernels."""
GOALS = {"ray_round_ratio": 0.85, "inprocess_round_ratio": 1.15, "decision_ratio": 2.0}

SCENARIO = """
name = "benchmark-{policy}"
policy = "{policy}"
[stages]
preparation = 0
development = {rounds}
application = 0
recycling = 0
[task]
name = "mnist-mlp"
data = "digits"
batch_size = 120
batches_per_slot = 50       # as many images as MNIST has, in all; the digits are gone through several times
local_epochs = 1
"""


@dataclass
class Pairs:
    """Wall seconds of rounds, and of bare rounds run right after each."""

    fleet_s: list[float] = field(default_factory=list)
    bare_s: list[float] = field(default_factory=list)

    def ratio(self) -> float:
        return statistics.median(f / b for f, b in zip(self.fleet_s, self.bare_s, strict=True))


def scenario(policy: str, rounds: int) -> Resolved:
    """Ten nodes in ten zones, 50 batches of 120 images each per round."""
    nodes = "\n".join(f'[[nodes]]\nzone = "{zone}"' for zone in ZONES)
    return resolve(parse_scenario(SCENARIO.format(policy=policy, rounds=rounds) + nodes))


def bare_round(resolved: Resolved) -> Callable[[], float]:
    """The same local training and averaging without a testbed: a loop over the nodes on one thread.

    It uses the testbed's own training step, which is about 1.5 times as quick as autograd with an optimiser,
    and cuts its batches from memory as the nodes do. Returns a function that runs one round and gives its
    seconds.
    """
    stage = Stage.DEVELOPMENT.value
    workloads = [
        build_workload(resolved.task.model_copy(update={"partition_index": i})) for i in range(NODES)
    ]
    counts = resolved.batches_per_node
    model: dict[str, NDArray[Any]] = find_task(resolved.task.name).initial_parameters(0)
    done = 0

    def run() -> float:
        nonlocal model, done
        begun = time.perf_counter()
        total: dict[str, NDArray[Any]] = {}
        weight = 0
        for workload, count in zip(workloads, counts, strict=True):
            batches = [workload.batch(done * count + k, stage) for k in range(count)]
            result = workload.train(model, batches, {})
            weight += result.num_examples
            for name, array in result.parameters.items():
                part = array * np.float32(result.num_examples)
                total[name] = total[name] + part if name in total else part
        model = {name: array / np.float32(weight) for name, array in total.items()}
        done += 1
        return time.perf_counter() - begun

    return run


def measure(
    fleet: Fleet,
    policy: str,
    rounds: int,
    say: Callable[[str], None],
    bare: Callable[[], float] | None = None,
) -> Pairs:
    """Run ``rounds`` rounds on a started fleet, after each a round of ``bare``, which gives its seconds."""
    resolved = scenario(policy, rounds + WARM_UP)
    bare = bare or bare_round(resolved)
    bare()
    pairs = Pairs()
    begun = time.perf_counter()

    def on_slot(outcome: SlotOutcome) -> None:
        nonlocal begun
        ended = time.perf_counter()
        if len(outcome.replies.answered) == 0:
            raise RuntimeError(f"slot {outcome.slot}: no node answered: {outcome.replies}")
        reference = bare()
        if outcome.slot >= WARM_UP:
            pairs.fleet_s.append(ended - begun)
            pairs.bare_s.append(reference)
        begun = time.perf_counter()

    task = LearningTask(FedAvg, lambda _: to_record(initial_parameters(resolved.task.name, 0)))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = resolved.coordinator_config("benchmark", folder / "ledger.sqlite")

        def nodes_of(address: str) -> Sequence[NodeConfig]:
            return resolved.node_configs("benchmark", address, with_harvest=True)

        with open_session(fleet, config, folder, nodes_of) as session:
            schedule = Schedule(
                RunPlan(stages=resolved.stages, development=task),
                Link(control=session.control, numbers=session.numbers, books=session.books),
                Watch(on_slot=on_slot),
            )
            app = build_server_app(schedule)
            begun = time.perf_counter()
            app(session.grid, Context(1, 1, {}, RecordDict(), {}))
    fleet_s, bare_s = statistics.median(pairs.fleet_s), statistics.median(pairs.bare_s)
    say(f"{policy}: {fleet_s:.3f} s a round, bare {bare_s:.3f} s")
    return pairs


def run(quick: bool, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure everything; figures in seconds and ratios, goals with what was reached."""
    configure_process()
    rounds = 5 if quick else 25
    figures: dict[str, float] = {}
    say("starting Ray")
    begun = time.perf_counter()
    with logging_to(Path(os.devnull)), RayFleet(NODES, "auto") as fleet:
        figures["ray_start_s"] = time.perf_counter() - begun
        for policy in ("local",) if quick else ("local", "deta"):
            say(f"Ray fleet, policy {policy}")
            pairs = measure(fleet, policy, rounds, say)
            figures[f"ray_{policy}_round_s"] = statistics.median(pairs.fleet_s)
            figures[f"ray_{policy}_bare_round_s"] = statistics.median(pairs.bare_s)
            figures[f"ray_{policy}_round_ratio"] = pairs.ratio()
    say("in-process fleet")
    with logging_to(Path(os.devnull)), InProcessFleet() as inprocess:
        pairs = measure(inprocess, "local", rounds, say)
        figures["inprocess_round_s"] = statistics.median(pairs.fleet_s)
        figures["inprocess_round_ratio"] = pairs.ratio()
    say("decision against one bare solver call")
    decision = measure_decision(nodes=NODES, repeats=20 if quick else 60)
    figures |= {
        "decision_s": decision.decide_s,
        "bare_solver_call_s": decision.bare_s,
        "decision_ratio": decision.ratio,
    }
    values = {
        "ray_round_ratio": figures["ray_local_round_ratio"],
        "inprocess_round_ratio": figures["inprocess_round_ratio"],
        "decision_ratio": figures["decision_ratio"],
    }
    return {"figures": figures, "goals": against(GOALS, values, "<=")}


def main() -> None:
    arguments = parser(__doc__, "fewer rounds, LOCAL alone: within a minute").parse_args()
    show(measuring(lambda say: run(arguments.quick, say)), arguments.json)


if __name__ == "__main__":
    main()
