"""Arrays of outside requests and answers as they travel: raw little-endian bytes with type and shape."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import pytest

from edge_node.adapters.host import GrpcHost
from edge_node.config import NodeConfig
from edge_node.serving.client import InferClient
from edge_node.serving.tensors import to_tensors
from edge_node.slots.node import EdgeNode
from protos.codec import INFER, MAX_INFER_BYTES
from protos.messages.inference import InferRequest
from protos.messages.terms import Stage
from tests.edge_node.application_slot import images

STAGES = (Stage.DEVELOPMENT, Stage.APPLICATION, Stage.DEVELOPMENT)
MakeConfig = Callable[..., NodeConfig]


class Bomb:
    """Leaves a mark if it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("unpickled",))


def raw(address: str, *messages: bytes) -> grpc.StatusCode:
    with grpc.insecure_channel(address) as channel:
        call = channel.stream_stream(INFER.path)(iter(messages), timeout=60)
        with pytest.raises(grpc.RpcError) as error:
            list(call)
        return error.value.code()


@pytest.mark.parametrize(
    "data",
    [
        pickle.dumps(Bomb()),
        b"\x00" * 100,
        b"\xff" * 1_000,
        b"",
        bytes(MAX_INFER_BYTES + 1),
        INFER.encode_request(
            InferRequest("r", "n0", to_tensors({"images": np.zeros((1, 1, 28, 28), np.float64)}))
        ),
        INFER.encode_request(InferRequest("r", "n0", to_tensors({"images": np.zeros((1, 3), np.uint8)}))),
        INFER.encode_request(
            InferRequest("r", "n0", to_tensors({"images": np.zeros((9, 1, 28, 28), np.uint8)}))
        ),
        INFER.encode_request(InferRequest("r", "n0", to_tensors({"object": np.zeros((1, 784), np.uint8)}))),
    ],
    ids=["pickle", "zeros", "ones", "empty", "too-long", "dtype", "shape", "too-many", "name"],
)
def test_hostile_payloads_are_refused_and_the_next_client_is_served(
    host: GrpcHost, node: EdgeNode, data: bytes
) -> None:
    assert raw(host.infer_address, data) is grpc.StatusCode.INVALID_ARGUMENT
    with InferClient(host.infer_address) as client:
        assert client.ask(images(1)).batch_examples == 1


def test_a_tensor_that_claims_more_than_it_holds_is_refused(host: GrpcHost, node: EdgeNode) -> None:
    """Shape and bytes disagree by a factor of a billion: refused before anything is allocated."""
    good = INFER.encode_request(InferRequest("r", "n0", to_tensors(images(1))))
    huge = good.replace(bytes([1, 1, 28, 28]), b"\xff\xff\xff\x7f")
    assert huge != good
    assert raw(host.infer_address, huge) is grpc.StatusCode.INVALID_ARGUMENT
