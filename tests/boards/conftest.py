"""Nodes and servers for tests of who may call whom."""

from __future__ import annotations

from tests.edge_node.conftest import make_config, make_node

__all__ = ["make_config", "make_node"]
