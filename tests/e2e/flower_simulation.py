"""Flower's own simulation of a project, in a process of its own: writes the model and the figures of its rounds.

``python -m tests.e2e.flower_simulation PROJECT NODES RUN_CONFIG OUT``: RUN_CONFIG in JSON; OUT without an
ending gets the model (``.npz``) and the figures (``.json``). What `flwr run` does after it has installed the project.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np
from flwr.app import Context, RecordDict
from flwr.common.config import get_fused_config_from_dir
from flwr.serverapp.strategy import Strategy
from flwr.simulation.run_simulation import _run_simulation
from flwr.supercore.constant import NOOP_FEDERATION_ID
from flwr.supercore.run import Run
from flwr.supercore.telemetry import EventType
from flwr.superlink.grid import InMemoryGrid
from ray._private import services

from edge_node.adapters.flower_app import seed_generators
from edge_node.adapters.flower_private import bind_identity, components_of
from edge_node.adapters.node_host import process_environment
from experiments.fleet.ray_local import _awaited_node

RUN = 7


def wait_for_all(nodes: int) -> None:
    """The simulation starts the ServerApp before its nodes register: a first round would sample from some of them."""
    ids = InMemoryGrid.get_node_ids

    def complete(self: InMemoryGrid) -> Any:
        while len(found := list(ids(self))) < nodes:
            time.sleep(0.01)
        return found

    InMemoryGrid.get_node_ids = complete  # type: ignore[method-assign]


def simulate(project: Path, nodes: int, config: dict[str, Any], out: Path) -> None:
    """Seeded as a run of ours with seed 0 is."""
    _, server, client = components_of(project)
    sys.path.insert(0, str(project))
    results: list[Any] = []
    start = Strategy.start

    def kept(self: Strategy, *args: Any, **kwargs: Any) -> Any:
        results.append(start(self, *args, **kwargs))
        return results[-1]

    Strategy.start = kept  # type: ignore[method-assign]
    wait_for_all(nodes)
    services.get_node = _awaited_node  # Ray waits 30 s for its start, which is too short on a busy machine
    bind_identity(RUN)
    run = Run.create_empty(RUN)
    run.primary_task_id, run.federation_id, run.override_config = 1, NOOP_FEDERATION_ID, config
    fused = get_fused_config_from_dir(project, config)
    seed_generators(0)
    _run_simulation(
        num_supernodes=nodes,
        exit_event=EventType.PYTHON_API_RUN_SIMULATION_LEAVE,
        client_app_attr=client,
        server_app_attr=server,
        app_dir=str(project),
        is_app=True,
        run=run,
        server_app_context=Context(RUN, 0, {}, RecordDict(), run_config=fused),
        backend_config={
            "client_resources": {"num_cpus": 1, "num_gpus": 0.0},
            "init_args": {"num_cpus": 1, "include_dashboard": False, "_node_ip_address": "127.0.0.1"},
        },
    )
    for result in results:  # none of an app of Flower's older interface
        np.savez(out.with_suffix(".npz"), *result.arrays.to_numpy_ndarrays())
        figures = {str(k): dict(v) for k, v in result.evaluate_metrics_clientapp.items()}
        out.with_suffix(".json").write_text(json.dumps(figures))


if __name__ == "__main__":
    os.environ.update(process_environment())
    try:
        simulate(Path(sys.argv[1]).absolute(), int(sys.argv[2]), json.loads(sys.argv[3]), Path(sys.argv[4]))
    except BaseException:
        traceback.print_exc()
        os._exit(1)  # the thread of the ServerApp waits for ever for nodes that are not there
