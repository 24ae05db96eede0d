"""The node of one run on a board, with its outbox on disk and the Flower app that works for it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from flwr.app import Message

from edge_node.adapters.app_bundle import remove_bundles, unpack_bundle
from edge_node.adapters.coordinator_client import GrpcLink
from edge_node.adapters.flower_app import client_app_of
from edge_node.adapters.host import GrpcHost
from edge_node.adapters.node_host import NodeHost
from edge_node.adapters.sqlite_outbox import SqliteOutbox
from edge_node.assignment import Assignment
from edge_node.board_file import BoardFile
from edge_node.build import build_node
from edge_node.config import NodeConfig, NodeMemory

log = logging.getLogger(__name__)

OUTBOX = "outbox-{session}.sqlite"


class BoardNode:
    """The node and its servers; see node_host.Hosted.

    Raises what building a node raises: data that lack, a meter that cannot run, a port that is taken.
    """

    def __init__(self, config: NodeConfig, outbox: SqliteOutbox) -> None:
        self._host = GrpcHost(
            config.peer_host, config.peer_port, infer_port=config.infer_port, access=config.access
        )
        try:
            self._host.start()
            self.link = GrpcLink(build_node(config, outbox), self._host)
            self.client_app = client_app_of([config], {config.node_id: self.link})
            self.link.start()
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
        return {self.link.node.node_id: self.link.node.memory()}

    def close(self) -> None:
        self._host.close()


class HostedRun:
    """A board's part in one run, from its assignment to ``close``. Its outbox survives a crash of the process."""

    def __init__(self, board: BoardFile, assignment: Assignment) -> None:
        self.session = assignment.session
        self._board = board
        board.folder.mkdir(parents=True, exist_ok=True)
        self._path = board.folder / OUTBOX.format(session=assignment.session)
        for old in board.folder.glob(OUTBOX.format(session="*")):
            if old != self._path:
                _remove(old)  # of a run whose coordinator is gone
        config = self._with_app(board.completed(assignment.config), assignment.app)
        self._outbox = SqliteOutbox(self._path)

        def build(configs: Sequence[NodeConfig]) -> BoardNode:
            return BoardNode(configs[0], self._outbox)

        numbers = {config.node_id: assignment.node_number}
        try:
            self._host = NodeHost([config], numbers, assignment.run_number, build)
        except BaseException:
            self._outbox.close()
            remove_bundles(board.folder)
            raise

    def _with_app(self, config: NodeConfig, bundle: bytes | None) -> NodeConfig:
        """The configuration with the folder of the app that came with it."""
        remove_bundles(self._board.folder)
        if config.app is None or not config.app.sha256:
            return config
        place = unpack_bundle(bundle or b"", config.app.sha256, self._board.folder)
        return config.model_copy(update={"app": config.app.model_copy(update={"folder": str(place)})})

    @property
    def node(self) -> BoardNode:
        found = self._host.hosted
        assert isinstance(found, BoardNode)
        return found

    def handle(self, message: Message) -> Message:
        """See NodeHost."""
        return self._host.handle(message)

    def memory(self) -> NodeMemory:
        """See NodeMemory."""
        (found,) = self._host.memories().values()
        return found

    def close(self, *, over: bool) -> None:
        """``over``: the run has ended, and no further readings are accepted."""
        self._host.close()
        if over and (left := len(self._outbox.pending())):
            log.warning("%s: the run ended with %d readings unacknowledged", self._board.node_id, left)
        self._outbox.close()
        if over:
            _remove(self._path)
            remove_bundles(self._board.folder)


def _remove(outbox: Path) -> None:
    for name in (outbox.name, f"{outbox.name}-wal", f"{outbox.name}-shm"):
        outbox.with_name(name).unlink(missing_ok=True)
