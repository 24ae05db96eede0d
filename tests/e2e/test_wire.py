"""Negotiation in the simulator equals negotiation of the coordinator's service with real nodes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coordinator.adapters.direct import DirectCoordinator
from coordinator.market.fleet import Fleet
from coordinator.negotiation.policies.admm import Admm
from coordinator.negotiation.policies.auction import Auction
from coordinator.negotiation.policies.belief import BeliefAuction
from coordinator.negotiation.simulated import converse
from coordinator.negotiation.table import Agreed, Table
from coordinator.slots.fleet_view import NodeView, build_fleet
from edge_node.build import build_node
from edge_node.config import NodeConfig
from edge_node.slots.link import LocalLink
from edge_node.slots.outbox import MemoryOutbox
from experiments.resolve.prepare import open_scenario
from experiments.resolve.resolve import resolve
from protos.messages.runner import BeginSlot, EndSlot
from protos.messages.terms import Stage

HORIZON = 4
POLICIES = [Auction, BeliefAuction, Admm]


def recorder(kind: type) -> Any:
    """A policy of ``kind`` that records its tables and results."""
    made = kind(rounds=15) if kind is Admm else kind(slots_per_day=24) if kind is BeliefAuction else kind()
    found: list[tuple[Table, Any, Agreed]] = []

    class Recording(kind):  # type: ignore[valid-type, misc]
        def negotiate(self, table: Table, state: Any) -> Iterator[Any]:
            agreed = yield from super().negotiate(table, state)
            found.append((table, state, agreed))
            return agreed

    settings = {spec.name: getattr(made, spec.name) for spec in fields(made)}
    policy = Recording(**settings)
    return policy, found


def random_nodes(scenario: Path, seed: int) -> tuple[Any, list[NodeConfig]]:
    """(coordinator's configuration, nodes') of a run with batteries, harvests, boards and limits drawn at random."""
    rng = np.random.default_rng(seed)
    resolved = resolve(open_scenario(str(scenario)))
    deadline = int(rng.integers(0, 3)) if seed % 2 else 0
    config = resolved.coordinator_config("run", Path("none"))
    config = config.model_copy(
        update={
            "horizon_slots": HORIZON,
            "known_slots": HORIZON,
            "limits": config.limits.model_copy(
                update={"deadline_slots": deadline, "transfer_cap_fraction": float(rng.uniform(0.2, 1.0))}
            ),
        }
    )
    nodes = []
    for given in resolved.node_configs("run", "", with_harvest=True):
        power = tuple(float(watts * rng.uniform(0, 2)) for watts in given.harvest.power_w)
        changes: dict[str, Any] = {
            "horizon_slots": HORIZON,
            "deadline_slots": deadline,
            "harvest": given.harvest.model_copy(update={"power_w": power}),
        }
        if given.battery is not None:
            changes["battery"] = given.battery.model_copy(
                update={"initial_fraction": float(rng.uniform(0, 1)), "self_discharge_fraction": 0.01}
            )
        nodes.append(given.model_copy(update=changes))
    return config, nodes


def seen(config: Any, nodes: dict[str, Any], outboxes: dict[str, MemoryOutbox], slot: int) -> Fleet:
    """The fleet as the simulator would have it, from what each node knows of itself."""
    views = {}
    for name, node in nodes.items():
        telemetry = node.telemetry()
        outboxes[name].remove(telemetry.seq)  # a node in a market never sends this
        views[name] = NodeView(node.profile(), telemetry, False, 0, None)
    return build_fleet(config, slot, views, {zone.zone: zone.intensity_g_per_kwh for zone in config.zones})


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", POLICIES, ids=["auction", "belief", "admm"])
def test_wire_and_pure_form_agree_on_random_fleets(
    kind: type, seed: int, small_scenario: Path, tmp_path: Path
) -> None:
    config, given = random_nodes(small_scenario, seed)
    config = config.model_copy(update={"ledger_path": tmp_path / "ledger.sqlite"})
    outboxes = {one.node_id: MemoryOutbox() for one in given}
    nodes = {one.node_id: build_node(one, outboxes[one.node_id]) for one in given}
    links: dict[str, LocalLink] = {}
    for name, node in nodes.items():
        LocalLink(node, links, f"boot-{name}")
    policy, found = recorder(kind)

    def deliver(name: str, message: Any) -> None:
        for answer in links[name].receive(message):
            coordinator.receive(name, answer)

    coordinator = DirectCoordinator(config, policy, deliver, lambda: 0.0)
    for name, link in links.items():
        coordinator.receive(name, link.register())
    traded = 0.0
    # Past offloads of a deferred batch are private: with deadlines, only the first slot is compared.
    for slot in range(1 if config.limits.deadline_slots else 4):
        fleet = seen(config, nodes, outboxes, slot)
        coordinator.begin_slot(BeginSlot(slot, config.stages[slot], 1.0))
        table, state, agreed = found[-1]
        pure = Table.of(fleet)
        for spec in fields(Table):
            if spec.name not in ("epoch", "attempt"):
                one, two = getattr(table, spec.name), getattr(pure, spec.name)
                if isinstance(one, np.ndarray):
                    np.testing.assert_allclose(one, two, rtol=1e-12)
                else:
                    assert one == two, spec.name
        plain, _, _ = converse(
            kind(**{s.name: getattr(policy, s.name) for s in fields(policy)}), fleet, state
        )
        n = fleet.size
        assert agreed.moves.equals(plain.moves)
        np.testing.assert_allclose(
            agreed.transfers.matrix(n), plain.transfers.matrix(n), rtol=1e-6, atol=1e-6
        )
        traded += float(agreed.moves.amount.sum() + agreed.transfers.amount.sum())
        for node in nodes.values():
            if config.stages[slot] is not Stage.UNALLOCATED:
                node.give_up_missing(slot)
        coordinator.end_slot(EndSlot(slot, 1.0))
    assert traded > 0
    coordinator.close()
