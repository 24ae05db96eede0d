"""Flower's own simulation of 100 clients with the same training, in a process of its own: prints one JSON object."""

from __future__ import annotations

import itertools
import json
import os
import sys
import time
from typing import Any

import torch
from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg
from flwr.simulation import run_simulation
from torch.nn import functional as F

from benchmarks._small_mlp import Perceptron, drawn
from edge_node.adapters.node_host import process_environment

CLIENTS, ROUNDS, BATCHES, BATCH_SIZE = 100, 4, 5, 8
client, server = ClientApp(), ServerApp()
marks: list[float] = []


@client.train()
def train(message: Message, context: Context) -> Message:
    """Five steps of plain SGD."""
    torch.set_num_threads(1)
    model = Perceptron()
    model.load_state_dict(message.content.array_records["arrays"].to_torch_state_dict())
    data, size = drawn(CLIENTS * BATCHES * BATCH_SIZE), BATCHES * BATCH_SIZE
    first = int(context.node_config["partition-id"]) * size
    parameters: list[torch.Tensor] = list(model.parameters())
    for at in range(first, first + size, BATCH_SIZE):
        x, y = (torch.from_numpy(data.train[name][at : at + BATCH_SIZE]) for name in ("x", "labels"))
        gradients = torch.autograd.grad(F.cross_entropy(model(x), y), parameters)
        with torch.no_grad():
            torch._foreach_add_(parameters, gradients, alpha=-0.05)
    records = {"arrays": ArrayRecord(model.state_dict()), "metrics": MetricRecord({"num-examples": size})}
    return Message(RecordDict(records), reply_to=message)  # type: ignore[arg-type]


@server.main()
def serve(grid: Grid, context: Context) -> None:
    """Federated averaging over all clients."""

    def after_round(server_round: int, arrays: ArrayRecord) -> MetricRecord:
        marks.append(time.perf_counter())
        return MetricRecord()

    FedAvg(fraction_evaluate=0.0, min_train_nodes=CLIENTS, min_available_nodes=CLIENTS).start(
        grid, ArrayRecord(Perceptron().state_dict()), num_rounds=ROUNDS, evaluate_fn=after_round
    )


def main() -> None:
    os.environ.update(process_environment())
    resources: dict[str, Any] = {"client_resources": {"num_cpus": 1, "num_gpus": 0.0}}
    resources["init_args"] = {"num_cpus": 2, "include_dashboard": False, "_node_ip_address": "127.0.0.1"}
    run_simulation(server, client, CLIENTS, backend_config=resources)
    seconds = sorted(b - a for a, b in itertools.pairwise(marks[1:]))  # round 1 starts the processes
    sys.stdout.write(json.dumps({"wall_ms": seconds[len(seconds) // 2] / CLIENTS * 1e3}) + "\n")


if __name__ == "__main__":
    main()
