"""Inspection of serialised protobufs without unpacking, so that the memory for unpacking is known beforehand."""

from __future__ import annotations

import pytest

from protos.wire import proxy_options


@pytest.mark.parametrize(
    ("address", "past"),
    [
        ("127.0.0.1:50051", True),
        ("127.1.2.3:1", True),
        ("localhost:50051", True),
        ("[::1]:50051", True),
        ("192.168.0.7:50051", False),
        ("board-3.example.org:50051", False),
    ],
)
def test_only_loopback_goes_past_the_proxy(address: str, past: bool) -> None:
    assert bool(proxy_options(address)) is past
