"""The picture as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments.live.picture import NodePicture
from experiments.live.told import CORNERS, NODES_SHOWN, by_node, told
from experiments.live.watched import Watched


def test_everything_is_json_and_nodes_add_up(finished: Path) -> None:
    watched = Watched(finished)
    watched.look()
    state = json.loads(json.dumps(told(watched), allow_nan=False))
    assert [node["id"] for node in state["nodes"]] == ["n0", "n1", "n2"]
    assert state["accuracy"] == [[slot, found] for slot, found in state["accuracy"] if 0 <= found <= 1]
    grams, _ = by_node(watched.picture)
    assert sum(node["emissions_g"] for node in state["nodes"]) == pytest.approx(sum(grams.values()))
    assert state["emissions_g"] > sum(grams.values())  # network, coordinator and devices are nobody's
    assert set(state["flows"]["places"]) == {"n0", "n1", "n2"}


def test_many_nodes_are_cut_and_their_flows_summed_by_zone(finished: Path) -> None:
    watched = Watched(finished)
    watched.look()
    picture = watched.picture
    count = max(NODES_SHOWN, CORNERS) + 10
    for k in range(count):
        picture.nodes[f"m{k}"] = NodePicture(f"m{k}", f"Z{k % 3}", 0.0, "modelled", "0")
    picture.batch_flows = [("m0", "m1", 4), ("m3", "m4", 5), ("m2", "m0", 1)]
    state = told(watched)
    assert len(state["nodes"]) == NODES_SHOWN
    assert state["node_count"] == count + 3
    assert state["flows"]["by_zone"]
    assert state["flows"]["batches"] == [["Z0", "Z1", 9], ["Z2", "Z0", 1]]
