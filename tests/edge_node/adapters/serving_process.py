"""One serving node in a separate process: ``python serving_process.py``, its configuration on standard input.

Prints the address of its Infer port and serves until standard input ends.
"""

from __future__ import annotations

import sys

from edge_node.adapters.coordinator_client import GrpcLink
from edge_node.adapters.host import GrpcHost
from edge_node.build import build_node
from edge_node.config import NodeConfig
from edge_node.tasks.evaluation import initial_parameters
from edge_node.tasks.process import configure_process
from protos.messages.slot import Decision
from protos.messages.stream import Welcome
from protos.messages.terms import Stage


def main() -> None:
    configure_process()
    config = NodeConfig.model_validate_json(sys.stdin.readline())
    node = build_node(config)
    node.register("boot")
    node.on_welcome(Welcome(config.run_id, 1, 1.0, 5.0, 0))
    node.on_decision(Decision(node.node_id, 1, 0, Stage.APPLICATION, True, 1, (), (), 0, 0, 0, 9.0))
    node.execute(initial_parameters(config.task.name, 0))
    with GrpcHost() as host:
        GrpcLink(node, host, "127.0.0.1:1")
        print(host.infer_address, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
