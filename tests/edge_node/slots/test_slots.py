"""Whole runs in one process with the real coordinator, while decisions, closings and work get lost at random.

Every batch counts at most once, the ledger's books balance, and what is missing is a gap.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coordinator.adapters.direct import DirectCoordinator
from coordinator.config import CoordinatorBody, CoordinatorConfig, LimitsConfig, ZoneIntensity
from coordinator.ledger.verify import verify
from coordinator.policies.registry import make_policy
from edge_node.slots.errors import NodeError
from edge_node.slots.link import LocalLink
from edge_node.slots.node import EdgeNode
from protos.messages.runner import BeginSlot, EndSlot
from protos.messages.slot import CloseSlot, Decision
from protos.messages.terms import Stage

NODES, SLOTS = 3, 4
LOSS = st.sets(
    st.tuples(st.integers(0, SLOTS - 1), st.sampled_from([f"n{k}" for k in range(NODES)])), max_size=3
)


def coordinator_config(folder: Path, deadline_slots: int) -> CoordinatorConfig:
    return CoordinatorConfig(
        run_id="run",
        ledger_path=folder / "ledger.sqlite",
        policy="deta",
        slot_s=10.0,
        stages=(Stage.DEVELOPMENT,) * SLOTS,
        node_ids=tuple(f"n{k}" for k in range(NODES)),
        zones=tuple(
            ZoneIntensity(zone=zone, intensity_g_per_kwh=(level,) * 40, origin={"source": "test"})
            for zone, level in (("DIRTY", 900.0), ("NO", 20.0))
        ),
        limits=LimitsConfig(net_j_per_byte=1e-6, deadline_slots=deadline_slots),
        body=CoordinatorBody(
            zone="NO",
            static_w=3.0,
            joules_per_aggregated_parameter=0.0,
            joules_per_evaluated_example=0.0,
            router_w=1.0,
        ),
        tree_alpha_bits_per_token=1.0,
    )


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(LOSS, LOSS, LOSS, st.integers(0, 2))
def test_losses_lose_and_double_nothing(
    make_node: Callable[..., EdgeNode],
    no_decision: set[tuple[int, str]],
    no_close: set[tuple[int, str]],
    no_work: set[tuple[int, str]],
    deadline_slots: int,
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        links: dict[str, LocalLink] = {}
        coordinator: DirectCoordinator

        def deliver(node_id: str, message: Any) -> None:
            if isinstance(message, Decision) and (message.slot, node_id) in no_decision:
                return
            if isinstance(message, CloseSlot) and (message.slot, node_id) in no_close:
                return
            for answer in links[node_id].receive(message):
                coordinator.receive(node_id, answer)

        config = coordinator_config(folder, deadline_slots)
        coordinator = DirectCoordinator(config, make_policy("deta"), deliver, lambda: 0.0)
        for k, zone in enumerate(("DIRTY", "NO", "DIRTY")):
            stages = (Stage.DEVELOPMENT,) * SLOTS
            LocalLink(
                make_node(k, zone=zone, stages=stages, deadline_slots=deadline_slots), links, f"boot-{k}"
            )
        for node_id, link in links.items():
            coordinator.receive(node_id, link.register())
        counted = 0
        for slot in range(SLOTS):
            coordinator.begin_slot(BeginSlot(slot, Stage.DEVELOPMENT, 0.0))
            for node_id, link in links.items():
                if (slot, node_id) not in no_work:
                    try:
                        link.wait_ready(slot, 1.0)
                        link.node.execute({"w": np.zeros(4, dtype=np.float32)})
                    except NodeError:
                        continue
            counted += coordinator.end_slot(EndSlot(slot, 0.0)).executed_batches
            for node_id, link in links.items():  # a heartbeat passes: who missed the end catches up
                coordinator.receive(node_id, link.register())
                for message in link.tick():
                    coordinator.receive(node_id, message)
        coordinator.close()
        assert verify(config.ledger_path).ok
        trained = Counter(key for link in links.values() for key in link.node.workload.trained)
        assert max(trained.values(), default=1) == 1  # no batch is trained twice, here or there
        assert counted <= len(trained) <= NODES * SLOTS * 6
        if not (no_decision or no_close or no_work):
            assert counted == len(trained) == NODES * SLOTS * 6
