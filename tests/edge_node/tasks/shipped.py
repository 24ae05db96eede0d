"""Tasks that need no file of the data folder and no package of an extra."""

from __future__ import annotations

from edge_node.tasks.registry import TASKS

SHIPPED = [name for name in TASKS if name not in ("lora", "mnist-mlp-bn")]
"""Without the model whose state has statistics: it is in tests/edge_node/tasks/test_personal.py."""
