"""Names and numbers of Flower's messages that runner and nodes must agree on."""

from __future__ import annotations

ARRAYS, CONFIG, METRICS = "arrays", "config", "metrics"
"""Keys of the records in a message's content."""
MASKING = "masking"
"""Key of the record with keys, shares and other terms of secure aggregation."""
MASKED = "masked"
"""Name of the one array of a masked update."""
PERSONAL = "personal-accuracy"
"""Metric of a node that measured its own model."""
CLIENT_APP_RAISED = 2
"""Error code of a client that failed (flwr.common.constant.ErrorCode)."""
NODE_UNAVAILABLE = 5
"""Error code of a node whose process is gone (likewise)."""
NOT_IN_SLOT = 1001
"""Error code of a node that sleeps in the present slot, or has no work in it; a code of ours, none of Flower's."""
SLOT = "detabed"
"""Key of the record that carries a slot's allowance to a node that runs an app of a user's own; the app does not see
it."""
