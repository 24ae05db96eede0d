"""Edge nodes for a process of a fleet: builders for node_host.NodeHost.

The composition of a node (workloads, meter, way to its coordinator) is made here, so that the node itself
knows neither learning framework nor network.
"""

from __future__ import annotations

from collections.abc import Sequence

from edge_node.adapters.coordinator_client import GrpcLink
from edge_node.adapters.flower_app import client_app_of
from edge_node.adapters.host import GrpcHost
from edge_node.build import build_node
from edge_node.config import NodeConfig, NodeMemory
from edge_node.slots.link import LocalLink
from edge_node.tasks.process import configure_process


class LocalNodes:
    """Nodes whose coordinator sits in the same process."""

    def __init__(self, configs: Sequence[NodeConfig]) -> None:
        self.infer_address = self.peer_address = ""
        self.links: dict[str, LocalLink] = {}
        for config in configs:
            LocalLink(build_node(config), self.links, boot_id=_boot_of(config))
        self.client_app = client_app_of(configs, dict(self.links))

    def memories(self) -> dict[str, NodeMemory]:
        return {node_id: link.node.memory() for node_id, link in self.links.items()}

    def close(self) -> None:
        for link in list(self.links.values()):
            link.close()


def _boot_of(config: NodeConfig) -> str:
    """Name of a node's start, the same in every repetition of the run."""
    name = f"{config.run_id}-{config.node_id}"
    return f"{name}-{config.earlier_epochs}" if config.earlier_epochs else name


def host_local_nodes(configs: Sequence[NodeConfig]) -> LocalNodes:
    """Builder of an in-process fleet."""
    configure_process()
    return LocalNodes(configs)


class AttendingNodes:
    """Nodes that attend a coordinator over gRPC and deliver batches to each other likewise."""

    def __init__(self, configs: Sequence[NodeConfig]) -> None:
        first = configs[0]
        alone = len(configs) == 1
        self._host = GrpcHost(
            first.peer_host,
            first.peer_port if alone else 0,
            infer_port=first.infer_port if alone else 0,
            access=first.access,
        )
        try:
            self._host.start()
            self._links = {c.node_id: GrpcLink(build_node(c), self._host) for c in configs}
            self.client_app = client_app_of(configs, self._links)
            for link in self._links.values():
                link.start()
        except BaseException:
            self._host.close()
            raise

    @property
    def infer_address(self) -> str:
        return self._host.infer_address

    @property
    def peer_address(self) -> str:
        return self._host.address

    def memories(self) -> dict[str, NodeMemory]:
        return {node_id: link.node.memory() for node_id, link in self._links.items()}

    def close(self) -> None:
        self._host.close()


def host_edge_nodes(configs: Sequence[NodeConfig]) -> AttendingNodes:
    """Builder of a fleet of processes."""
    configure_process()
    return AttendingNodes(configs)
