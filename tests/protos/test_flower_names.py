"""Our copies of Flower's numbers are Flower's."""

from __future__ import annotations

from flwr.common.constant import ErrorCode

from protos.flower_names import CLIENT_APP_RAISED, NODE_UNAVAILABLE


def test_error_codes_are_flowers() -> None:
    assert CLIENT_APP_RAISED == ErrorCode.CLIENT_APP_RAISED_EXCEPTION
    assert NODE_UNAVAILABLE == ErrorCode.NODE_UNAVAILABLE
