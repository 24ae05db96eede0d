"""Requests to a language model in a slot: when their tokens came."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge_node.serving.request_times import timed
from edge_node.serving.tally import Service
from edge_node.workload import RequestUse

USE = RequestUse(2, 6, 5, 1.0, 0.25, 0.3, 2.0, None, 10.0, 4.0, 100, 900, 800)


def test_requests_of_a_batch_are_answered_one_after_the_other() -> None:
    services = [Service(0.25, 0.75), Service(0.5, 1.5)]
    one, two = timed([USE, USE], services, [0.25, 0.5], [10.0, 11.0], 20.0)
    # The batch began at 17.0; the second request at 18.0.
    assert one == pytest.approx((8.0, 7.25, 0.1875))
    assert two == pytest.approx((9.0, 7.5, 0.375))
    assert timed([replace(USE, tokens_out=1)], services[:1], [0.25], [0.0], 1.0)[0][2] is None
