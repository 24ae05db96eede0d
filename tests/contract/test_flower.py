"""What we take from Flower."""

from __future__ import annotations

import importlib.metadata

from flwr.serverapp import Grid

from experiments.fleet.inprocess import InProcessGrid


def test_a_version_that_this_contract_covers_is_installed():
    assert importlib.metadata.version("flwr").startswith(("1.41.", "1.42."))


def test_our_grids_are_complete_by_flowers_own_abstract_class():
    assert not InProcessGrid.__abstractmethods__
    assert set(Grid.__abstractmethods__) == {
        "set_run",
        "run",
        "create_message",
        "get_node_ids",
        "push_messages",
        "pull_messages",
        "send_and_receive",
    }
