"""The coordinator's kit of stub nodes, and servers under TLS, for the faults found by attack."""

from __future__ import annotations

from tests.boards.test_refused import loopback, testbed
from tests.coordinator.conftest import kit
from tests.edge_node.conftest import make_config, make_node

__all__ = ["kit", "loopback", "make_config", "make_node", "testbed"]
