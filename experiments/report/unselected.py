"""Work of nodes that a policy or strategy did not select.

It is not asked for, so that it is neither done nor unserved. It emits nothing, and a reduction of the total by it is no
saving of the work that is done."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

COLUMNS = ("selected", "released_batches", "executed_batches", "unserved_batches")
"""Of the table ``slots``."""


def unselected_batches(parts: Iterable[pd.DataFrame]) -> int:
    """Batches that came due and were not asked for, from a run's ``slots`` in parts; 0 where every node was selected in
    every slot."""
    left, selects = 0, False
    for part in parts:
        if "selected" in part:
            selects = selects or bool(part["selected"].eq(False).any())  # null where no rule selects
        left += int(part["released_batches"].sum())
        left -= int(part["executed_batches"].sum()) + int(part["unserved_batches"].sum())
    return max(left, 0) if selects else 0
