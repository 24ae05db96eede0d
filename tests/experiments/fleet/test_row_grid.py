"""The grid of nodes that are rows."""

from __future__ import annotations

import pytest
from flwr.app import RecordDict

from experiments.fleet.row_grid import RowGrid


def test_all_nodes_are_seen_and_no_message_goes_over_it() -> None:
    grid = RowGrid(1, {2: "n0", 3: "n1"})
    assert grid.get_node_ids() == [2, 3]
    message = grid.create_message(RecordDict(), "query", 2, "")
    with pytest.raises(RuntimeError, match="for a strategy that sends its own"):
        grid.push_messages([message])
    assert grid.pull_messages(["none"]) == []
