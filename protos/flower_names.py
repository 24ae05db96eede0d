"""Names and numbers of Flower's messages that runner and nodes must agree on."""

from __future__ import annotations

ARRAYS, CONFIG, METRICS = "arrays", "config", "metrics"
"""Keys of the records in a message's content."""
CLIENT_APP_RAISED = 2
"""Error code of a client that failed (flwr.common.constant.ErrorCode)."""
NODE_UNAVAILABLE = 5
"""Error code of a node whose process is gone (likewise)."""
