"""A link that loses packets and is cut for a while: nothing is lost, dead peers are noticed, nodes come back."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from coordinator.adapters.control_client import ControlClient
from protos.access.config import Access
from protos.messages.terms import Stage
from tests.coordinator.adapters.process import Process
from tests.reliability.lossy import lossy_link
from tests.reliability.test_kills import (
    Node,
    assert_every_reading_once,
    config_of,
    until_drained,
)

pytestmark = pytest.mark.processes
NOTICED_S, RESUMED_S, LOSS = 8.0, 2.0, 0.1
SLOTS = 2000
ENDS_S = 600.0
"""Longest that anything may take on a busy machine."""


def seconds_until(true: Callable[[], bool], most_s: float) -> float:
    begun = time.monotonic()
    while not true():
        assert time.monotonic() - begun < most_s, f"not within {most_s:g} s"
        time.sleep(0.05)
    return time.monotonic() - begun


@pytest.mark.parametrize(
    ("cut_s", "lease_s"),
    [pytest.param(5.0, 2.0, id="short"), pytest.param(20.0, 6.0, id="goal", marks=pytest.mark.long)],
)
def test_loss_and_a_partition_lose_nothing(
    tmp_path: Path, cut_s: float, lease_s: float, request: pytest.FixtureRequest
) -> None:
    with lossy_link(1) as link:
        config = config_of(
            tmp_path, SLOTS, host=link.here, access=Access(insecure=True), lease_s=lease_s, heartbeat_s=0.5
        )
        process = Process(config, tmp_path)
        process.start()
        nodes = [Node(process.address, index, SLOTS, tmp_path, link.command()) for index in range(3)]
        over, failures = threading.Event(), []

        def run_slots() -> None:
            try:
                with ControlClient(process.address, patience_s=300.0) as runner:
                    for slot in itertools.count():
                        if over.is_set():
                            return
                        runner.begin_slot(slot, Stage.DEVELOPMENT, 60.0)
                        runner.end_slot(slot, 60.0, 1000, 10)
            except BaseException as error:
                failures.append(error)

        running = threading.Thread(target=run_slots)
        try:
            for node in nodes:
                node.start()
            with ControlClient(process.address, patience_s=ENDS_S) as control:
                control.wait_for_nodes(3, ENDS_S)
                link.loss = LOSS
                running.start()
                time.sleep(cut_s / 2)
                link.loss = 1.0
                noticed_s = seconds_until(lambda: not control.status().live_nodes, ENDS_S)
                time.sleep(max(0.0, cut_s - noticed_s))
                link.loss = LOSS
                resumed_s = seconds_until(lambda: len(control.status().live_nodes) == 3, ENDS_S)
                time.sleep(cut_s / 2)
                link.loss = 0.0
                over.set()
                running.join(ENDS_S)
            until_drained(tmp_path, nodes)
        finally:
            over.set()
            for node in nodes:
                node.kill()
            process.stop()
    assert not failures, failures
    found = assert_every_reading_once(config.ledger_path, nodes)
    print(
        f"cut of {cut_s:g} s, {link.lost} of {link.carried + link.lost} packets lost: noticed after "
        f"{noticed_s:.2f} s, all nodes back {resumed_s:.2f} s after healing; {found}, 0 lost, 0 doubled"
    )
    if request.config.getoption("--long"):
        assert noticed_s <= NOTICED_S
        assert resumed_s <= RESUMED_S
