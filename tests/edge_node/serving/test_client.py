"""Outside clients of a node: a plain class for programs, and what ``detabed infer`` does."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

from edge_node.adapters.coordinator_client import GrpcLink
from edge_node.adapters.host import GrpcHost
from edge_node.build import build_node
from edge_node.config import NodeConfig
from edge_node.serving.client import InferClient, InferError, run_infer_client
from edge_node.slots.node import EdgeNode
from protos.codec import ProtocolError
from protos.messages.terms import Stage
from tests.edge_node.application_slot import config, images

STAGES = (Stage.DEVELOPMENT, Stage.APPLICATION, Stage.DEVELOPMENT)
MakeConfig = Callable[..., NodeConfig]


def test_the_command_says_how_it_went(host: GrpcHost, node: EdgeNode) -> None:
    said = run_infer_client(host.infer_address, data="digits", count=40, batch=4)
    assert said["answered"] == said["requests"] == 10
    assert (said["tokens_out"], said["examples"]) == (0, 40)
    assert 0.0 <= said["accuracy_fraction"] <= 1.0
    assert said["queue_p50_s"] <= said["queue_p95_s"] <= said["queue_p99_s"]
    with pytest.raises(ValueError, match="allowed are"):
        run_infer_client(host.infer_address, data="cats")


def test_nodes_of_one_address_are_told_apart(host: GrpcHost, node: EdgeNode, make_config: MakeConfig) -> None:
    other = build_node(config(make_config, index=1))
    GrpcLink(other, host, "127.0.0.1:1")
    with InferClient(host.infer_address) as client, pytest.raises(InferError, match="n0, n1") as several:
        client.ask(images(1))
    assert several.value.nodes == ("n0", "n1")
    with InferClient(host.infer_address, node_id="n7") as client, pytest.raises(InferError) as unknown:
        client.ask(images(1))
    assert unknown.value.nodes == ()
    with InferClient(host.infer_address, node_id="n0") as client:
        assert client.ask(images(1)).node_id == "n0"


def test_the_command_asks_one_of_several_nodes_and_says_which(
    host: GrpcHost, node: EdgeNode, make_config: MakeConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    from experiments.cli import invoke

    GrpcLink(build_node(config(make_config, index=1)), host, "127.0.0.1:1")
    assert invoke(["infer", host.infer_address, "--count", "2", "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["node_id"] == "n0"
    assert "n0, n1; asking n0" in said.err
    assert invoke(["infer", host.infer_address, "--node", "n0", "--count", "2"]) == 0
    assert "asking" not in capsys.readouterr().err


def test_a_client_cannot_send_what_a_server_would_refuse(host: GrpcHost, node: EdgeNode) -> None:
    with InferClient(host.infer_address) as client, pytest.raises(ProtocolError, match="bytes"):
        client.ask({"images": np.zeros((2_000, 1, 28, 28), np.uint8)})
