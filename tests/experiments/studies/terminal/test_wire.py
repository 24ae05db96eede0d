"""Messages between terminal and server: a fixed header and raw bytes, nothing that could be executed."""

from __future__ import annotations

import socket

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edge_node.splitting.partition import TensorSpec
from experiments.studies.terminal.wire import (
    Kind,
    LinkError,
    Message,
    receive,
    tensors_from_bytes,
    tensors_to_bytes,
)


@given(st.binary(max_size=500), st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1))
def test_messages_arrive_as_sent(payload: bytes, option: int, sequence: int) -> None:
    here, there = socket.socketpair()
    with here, there:
        message = Message(Kind.REQUEST, option, sequence, payload)
        here.sendall(message.encode())
        assert receive(there) == message
        assert message.num_bytes == len(message.encode())


@pytest.mark.parametrize(
    "data", [b"XXXX" + bytes(11), b"DTB1\x63" + bytes(10), b"DTB1\x01\0\0\0\0\0\0\xff\xff\xff\xff", b"DT"]
)
def test_what_is_no_message_is_refused(data: bytes) -> None:
    here, there = socket.socketpair()
    with there:
        here.sendall(data)
        here.close()
        with pytest.raises(LinkError):
            receive(there)


@pytest.mark.parametrize("last", [False, True])
def test_tensors_keep_values_and_memory_order(last: bool) -> None:
    tensor = torch.randn(1, 3, 4, 5)
    tensor = tensor.contiguous(memory_format=torch.channels_last) if last else tensor
    specs = (TensorSpec.of(tensor), TensorSpec((1, 2), torch.int64, False))
    whole = torch.tensor([[3, -4]])
    back = tensors_from_bytes(tensors_to_bytes((tensor, whole), specs), specs)
    assert torch.equal(back[0], tensor)
    assert back[0].stride() == tensor.stride()
    assert torch.equal(back[1], whole)
    with pytest.raises(ValueError, match="bytes"):
        tensors_from_bytes(b"abc", specs)
    with pytest.raises(ValueError, match="cut has"):
        tensors_to_bytes((whole, tensor), specs)
