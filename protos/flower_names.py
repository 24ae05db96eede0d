"""Names and numbers of Flower's messages that runner and nodes must agree on."""

from __future__ import annotations

ARRAYS, CONFIG, METRICS = "arrays", "config", "metrics"
"""Keys of the records in a message's content."""
CLIENT_APP_RAISED = 2
"""Error code of a client that failed (flwr.common.constant.ErrorCode)."""
NODE_UNAVAILABLE = 5
"""Error code of a node whose process is gone (likewise)."""
NOT_IN_SLOT = 1001
"""Error code of a node that sleeps in the present slot, or has no work in it; a code of ours, none of Flower's."""
SLOT = "detabed"
"""Key of the record that carries a slot's allowance to a node that runs an app of a user's own; the app does not see
it."""
