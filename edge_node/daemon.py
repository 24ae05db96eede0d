"""One node as a daemon on a board: stream to the coordinator, batch-transfer server, durable outbox."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType

from edge_node.adapters.coordinator_client import GrpcLink
from edge_node.adapters.host import GrpcHost
from edge_node.adapters.lease import Lease
from edge_node.adapters.sqlite_outbox import SqliteOutbox
from edge_node.config import NodeConfig
from edge_node.slots.link import Link, LinkError
from edge_node.slots.node import EdgeNode
from edge_node.slots.outbox import Outbox

log = logging.getLogger(__name__)

ServeFlower = Callable[[Mapping[str, Link], threading.Event], None]
"""Runs the Flower client for the nodes of this process (one, by node id) until the event is set."""

REGISTER_TIMEOUT_S = 30.0


def attend_only(links: Mapping[str, Link], stop: threading.Event) -> None:
    """No Flower client: the node is metered, trades energy and takes batches in, but executes none."""
    stop.wait()


def _stop_when_cut_off(lease: Lease, stop: threading.Event) -> None:
    """A node whose certificate is revoked, or of which a newer copy runs, will not be let in again: it ends, and says
    why, so that whatever started it can act."""
    lease.wait_for(lambda: lease.ended, threading.TIMEOUT_MAX)
    stop.set()


def run_daemon(
    config: NodeConfig,
    serve_flower: ServeFlower,
    *,
    build: Callable[[NodeConfig, Outbox | None], EdgeNode],
    outbox_path: Path | None = None,
    stop: threading.Event | None = None,
    on_ready: Callable[[Link], None] | None = None,
) -> None:
    """Run one node until ``stop`` is set, or SIGINT or SIGTERM comes (in the main thread).

    Args:
        config: The node; ``coordinator_address`` must be set.
        serve_flower: Called once the coordinator has welcomed the node; returns when ``stop`` is set.
        build: Makes the node, e.g. edge_node.build.build_node.
        outbox_path: File for readings not yet acknowledged; none: in memory.
        stop: Set it to end the daemon.
        on_ready: Called with the link once the node is registered.

    Raises:
        LinkError: the coordinator does not answer, or will not have this node (any more).
        OSError: the peer address is taken.
        ValueError: the peer address is beyond loopback, and there are no certificates.
    """
    stop = stop or threading.Event()
    if threading.current_thread() is threading.main_thread():

        def end(number: int, frame: FrameType | None) -> None:
            stop.set()

        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, end)
    outbox = None if outbox_path is None else SqliteOutbox(outbox_path)
    try:
        node = build(config, outbox)
        with GrpcHost(
            config.peer_host, config.peer_port, infer_port=config.infer_port, access=config.access
        ) as host:
            link = GrpcLink(node, host, config.coordinator_address)
            link.start()
            link.wait_registered(REGISTER_TIMEOUT_S)
            log.info(
                "%s attends %s, peers at %s, outside clients at %s",
                node.node_id,
                config.coordinator_address,
                link.address,
                link.infer_address,
            )
            if on_ready is not None:
                on_ready(link)
            threading.Thread(target=_stop_when_cut_off, args=(link.lease, stop), daemon=True).start()
            serve_flower({node.node_id: link}, stop)
            cut_off = link.lease.failure
            link.close()
            if cut_off:
                raise LinkError(f"{node.node_id} is cut off: {cut_off}")
    finally:
        if outbox is not None:
            outbox.close()
