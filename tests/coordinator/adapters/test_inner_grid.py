"""A grid around another passes every call on, and covers all that Flower's grids have."""

from __future__ import annotations

from typing import Any
from unittest.mock import create_autospec

from flwr.app import RecordDict
from flwr.serverapp import Grid

from coordinator.adapters.inner_grid import InnerGrid


def test_every_call_of_flowers_interface_reaches_the_inner_grid() -> None:
    inner: Any = create_autospec(Grid, instance=True)
    inner.get_node_ids.return_value = [1, 2]
    grid = InnerGrid(inner)
    grid.set_run("run")  # type: ignore[arg-type]
    grid.create_message(RecordDict(), "train", 1, "group")
    assert grid.get_node_ids() == [1, 2]
    grid.push_messages([])
    grid.pull_messages(["id"])
    grid.send_and_receive([], timeout=3.0)
    assert grid.run is inner.run
    called = {name for name, *_ in inner.method_calls}
    assert called == set(Grid.__abstractmethods__) - {"run"}
    inner.send_and_receive.assert_called_once_with([], timeout=3.0)
