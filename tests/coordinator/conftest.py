"""Test clients that speak the real protocol: small edge nodes without learning, and configurations."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from carbon_data.storage import balance
from coordinator.config import (
    CoordinatorBody,
    CoordinatorConfig,
    LimitsConfig,
    LiveConfig,
    LiveSignal,
    ZoneIntensity,
)
from edge_node.config import BatteryConfig
from edge_node.energy.battery import battery_of
from edge_node.slots.windows import Windows
from protos.messages.market import MarketCall, MarketNews
from protos.messages.slot import (
    CloseSlot,
    Decision,
    EnergyGrant,
    EnergyLine,
    Executed,
    Moved,
    OwnWork,
    Serving,
    Settlement,
    SleepReport,
    Telemetry,
    Usage,
    UserTraffic,
)
from protos.messages.stream import (
    Ack,
    ClockAnswer,
    ClockQuestion,
    DownMessage,
    NodeProfile,
    Refusal,
    Register,
    UpMessage,
    Welcome,
    WorkProfile,
)
from protos.messages.terms import Component, Stage
from protos.trading.desk import Desk
from protos.trading.own import Own
from tests.carbon_data.live.replayed import KEYS, Replayed

SLOT_S = 60.0
BATCHES = 6
HARVEST_UJ = 41_000_007
JOULES_PER_BATCH_UJ = 3_000_001


def profile(index: int = 0, **changes: Any) -> NodeProfile:
    """A board with a small battery. No two figures are equal, within a board or between boards, so that none can stand
    in for another unseen; odd ones, so that rounding has something to do."""
    own = 1.0 + 0.01 * index
    work = tuple(
        WorkProfile(stage, (2.0 + 0.1 * place) * own, JOULES_PER_BATCH_UJ / 1e6, 1000)
        for place, stage in enumerate(s for s in Stage if s is not Stage.UNALLOCATED)
    )
    values: dict[str, Any] = {
        "zone": f"Z{index % 2}",
        "static_w": 2.7 * own,
        "sleep_w": 0.3 * own,
        "wake_j": 1.1 * own,
        "wake_s": 0.9 * own,
        "tx_j_per_byte": 1.2e-7 * own,
        "rx_j_per_byte": 0.7e-7 * own,
        "storage_bytes": 10**6 + index,
        "battery_capacity_uj": 500_000_011 + index,
        "charge_efficiency_fraction": 0.93 - 0.001 * index,
        "discharge_efficiency_fraction": 0.91 - 0.001 * index,
        "self_discharge_fraction": 0.001 * own,
        "charge_limit_w": 5.0 * own,
        "discharge_limit_w": 4.0 * own,
        "export_loss_fraction": 0.03 * own,
        "import_loss_fraction": 0.02 * own,
        "work": work,
        "meter": "modelled",
        "provenance": "modelled",
        "num_examples": 100 + index,
        "data_digest": "0" * 64,
    }
    return NodeProfile(**(values | changes))


def served(batches: int, service: str = "text") -> Serving:
    """Counts of a stub's batches: seven input tokens and ten generated tokens per batch."""
    return Serving(
        *(service, 3 * batches, 7 * batches, 10 * batches, 800 * batches, 0, 0.1, 0.2, 0.3),
        *((10,), (3 * batches,), 0.5 * batches, 0.25 * batches),
    )


def make_config(folder: Path, nodes: int = 3, slots: int = 4, **changes: Any) -> CoordinatorConfig:
    """A run of ``nodes`` nodes n00, n01, ... in two zones, one of high and one of low intensity."""
    length = slots + 24
    values: dict[str, Any] = {
        "run_id": "test-run",
        "ledger_path": folder / "ledger.sqlite",
        "policy": "local",
        "slot_s": SLOT_S,
        "stages": (Stage.DEVELOPMENT,) * slots,
        "node_ids": tuple(f"n{i:02d}" for i in range(nodes)),
        "zones": tuple(
            ZoneIntensity(
                zone=zone,
                intensity_g_per_kwh=tuple(base + 10.1 * (t % 24) for t in range(length)),
                origin={"source": "test"},
            )
            for zone, base in (("Z0", 20.0), ("Z1", 500.0))
        ),
        "limits": LimitsConfig(net_j_per_byte=2e-6),
        "body": CoordinatorBody(
            zone="Z0",
            static_w=3.0,
            joules_per_aggregated_parameter=1e-9,
            joules_per_evaluated_example=1e-4,
            router_w=4.0,
        ),
        "tree_alpha_bits_per_token": 10.0,
        "heartbeat_s": 0.5,
        "lease_s": 2.0,
    }
    return CoordinatorConfig(**(values | changes))


def live_config(
    folder: Path, base_url: str, nodes: int = 3, slots: int = 4, **changes: Any
) -> CoordinatorConfig:
    """Likewise, with the intensities of both zones, and marginal ones, from a server that replays answers."""

    def signal(zone: str, service: str, *, marginal: bool) -> LiveSignal:
        given = {"zone": zone, "service": service, "place": zone, "base_url": base_url, "marginal": marginal}
        return LiveSignal(**given, poll_s=0.0, stale_after_s=7200.0, refuse_after_s=21_600.0, keep=True)

    plain = make_config(folder, nodes, slots)
    live = LiveConfig(
        signals=(
            *(signal(zone.zone, "electricity-maps", marginal=False) for zone in plain.zones),
            signal("Z0", "watttime", marginal=True),
        ),
        step_s=3600.0,
        wait_s=10.0,
    )
    zones = tuple(
        ZoneIntensity(zone=zone.zone, intensity_g_per_kwh=(), origin=zone.origin) for zone in plain.zones
    )
    return make_config(folder, nodes, slots, **({"zones": zones, "live": live} | changes))


class StubNode:
    """An edge node without learning: messages in, messages out, readings kept until acknowledged."""

    def __init__(
        self, node_id: str, boot_id: str = "boot1", battery_uj: int = 100_000_003, **changes: Any
    ) -> None:
        self.node_id, self.boot_id = node_id, boot_id
        self.index = int(node_id[1:])
        self.profile = profile(self.index, **changes)
        p = self.profile
        self.cells = battery_of(
            BatteryConfig(
                capacity_j=p.battery_capacity_uj / 1e6,
                charge_efficiency_fraction=p.charge_efficiency_fraction,
                discharge_efficiency_fraction=p.discharge_efficiency_fraction,
                self_discharge_fraction=p.self_discharge_fraction,
                charge_limit_w=p.charge_limit_w,
                discharge_limit_w=p.discharge_limit_w,
            ),
            SLOT_S,
        )
        self.battery_uj = min(battery_uj, p.battery_capacity_uj)
        self.seq = 0
        self.slot = -1
        self.fence = (0, -1)
        self.decisions: dict[int, Decision] = {}
        self.usages: dict[int, Usage] = {}
        self.settlements: dict[int, Settlement] = {}
        self.outbox: dict[int, UpMessage] = {}
        self.refusals: list[Refusal] = []
        self.executed_twice = 0
        self.horizon, self.classes = 1, 1
        self.release = BATCHES
        self.harvest: Callable[[int], int] = lambda slot: HARVEST_UJ * (1 + (slot + self.index) % 3)
        self.skip_guests = False
        self.serves_users = False
        self.slept: dict[int, SleepReport] = {}
        self.lasted_s: float | None = None
        """Of its windows, on the wall clock."""
        self.clock_ns: Callable[[], int] = time.monotonic_ns
        self.windows: Windows | None = None
        """Measures them, in place of ``lasted_s``."""

    def register(self) -> Register:
        return Register(self.node_id, self.boot_id, "", self.profile)

    def say(self, message: Any) -> UpMessage:
        """``message`` with the next number, kept until it is acknowledged."""
        self.seq += 1
        numbered = dataclasses.replace(message, seq=self.seq)
        self.outbox[self.seq] = numbered
        return numbered

    def telemetry(self, slot: int) -> UpMessage:
        backlog = (*([0] * (self.classes - 1)), self.release)
        return self.say(
            Telemetry(
                self.node_id,
                self.boot_id,
                0,
                slot,
                self.battery_uj,
                (self.harvest(slot),) * self.horizon,
                backlog,
                (self.release,) * (self.horizon - 1),
            )
        )

    def handle(self, message: DownMessage) -> list[UpMessage]:
        """What the node answers."""
        if isinstance(message, Welcome):
            if self.slot < 0 and message.battery_uj is not None:
                self.battery_uj = message.battery_uj
            pending = [
                m for m in self.outbox.values() if not isinstance(m, Telemetry) or m.slot == message.next_slot
            ]
            if self.slot < message.next_slot and message.next_slot - 1 not in self.decisions:
                self.slot = message.next_slot
                return [*pending, self.telemetry(self.slot)]
            return pending
        if isinstance(message, Ack):
            for seq in [seq for seq in self.outbox if seq <= message.seq]:
                del self.outbox[seq]
        elif isinstance(message, Decision):
            key = (message.epoch, message.slot)
            if key <= self.fence:
                return []
            if message.slot in self.decisions:
                self.executed_twice += 1
            self.fence = key
            self.decisions[message.slot] = message
            if self.windows is not None:
                self.windows.decided(message.remaining_s or 0.0)
        elif isinstance(message, CloseSlot):
            return [self.usage(message.slot)]
        elif isinstance(message, EnergyGrant):
            return self.settle(message)
        elif isinstance(message, ClockQuestion):
            return [ClockAnswer(self.node_id, self.boot_id, message.number, self.clock_ns())]
        elif isinstance(message, Refusal):
            self.refusals.append(message)
        return []

    def usage(self, slot: int) -> UpMessage:
        if slot in self.usages:
            return self.usages[slot]
        decision = self.decisions[slot]
        executed = {self.node_id: decision.own_batches}
        if not self.skip_guests:
            executed |= {guest.owner: guest.batches for guest in decision.guests}
        total = sum(executed.values())
        lines = (
            EnergyLine(decision.stage, Component.COMPUTE, JOULES_PER_BATCH_UJ * total, "modelled"),
            EnergyLine(Stage.UNALLOCATED, self.rest(slot), 100_000_007 + 13 * self.index, "modelled"),
        )
        moved = [Moved(s.executor, True, s.batches, 1000 * s.batches) for s in decision.sends]
        moved += [Moved(g.owner, False, g.batches, 1000 * g.batches) for g in decision.guests]
        usage = Usage(
            self.node_id,
            self.boot_id,
            0,
            decision.epoch,
            slot,
            lines,
            self.harvest(slot),
            tuple(Executed(owner, count) for owner, count in sorted(executed.items()) if count),
            tuple(moved),
            5000 * (total > 0),
            serving=(served(total),) if total else (),
            sleep=self.slept.get(slot),
            duration_s=self.lasted_s if self.windows is None else self.windows.close(),
        )
        if self.serves_users:
            own = UserTraffic(self.node_id, decision.stage, 90_001 + 1_000 * self.index, 70_007 + self.index)
            answers = [
                UserTraffic(owner, decision.stage, 0, 11_000 * count)
                for owner, count in sorted(executed.items())
                if owner != self.node_id
            ]
            usage = dataclasses.replace(usage, users=(own, *answers))
        said = self.say(usage)
        self.usages[slot] = said
        return said

    def rest(self, slot: int) -> Component:
        report = self.slept.get(slot)
        return Component.SLEEP if report is not None and report.asleep else Component.STATIC

    def settle(self, grant: EnergyGrant) -> list[UpMessage]:
        if grant.slot in self.settlements:
            return [m for m in self.outbox.values() if m.seq >= self.settlements[grant.slot].seq]
        decision, usage = self.decisions[grant.slot], self.usages[grant.slot]
        result = balance(
            self.cells,
            self.battery_uj,
            demand_uj=sum(line.energy_uj for line in usage.lines),
            harvest_uj=usage.harvest_uj,
            import_uj=grant.import_uj,
            export_uj=grant.export_uj,
            charge_uj=decision.charge_uj,
            discharge_uj=decision.discharge_uj,
        )
        values = {name: getattr(result, name) for name in result.__slots__}
        said = self.say(Settlement(self.node_id, self.boot_id, 0, grant.epoch, grant.slot, **values))
        self.settlements[grant.slot] = said
        self.battery_uj = result.battery_after_uj
        self.slot = grant.slot + 1
        return [said, self.telemetry(self.slot)]


class TradingStub(StubNode):
    """The stub node with a real trader and desk."""

    desk: Desk | None = None
    desk_slot = -1

    def telemetry(self, slot: int) -> Any:
        raise AssertionError("a node of a market sends no telemetry")

    def own(self, slot: int) -> Own:
        p, work = self.profile, self.profile.work[0]
        return Own(
            slot_s=SLOT_S,
            harvest_j=np.full(self.horizon, self.harvest(slot) / 1e6),
            battery_j=self.battery_uj / 1e6,
            backlog_batches=(self.release,),
            room_batches=(self.release // 2,),
            release_batches=(self.release,) * (self.horizon - 1),
            static_w=p.static_w,
            seconds_per_batch=np.full(self.horizon, work.seconds_per_batch),
            joules_per_batch=np.full(self.horizon, work.joules_per_batch),
            tx_j_per_byte=p.tx_j_per_byte,
            rx_j_per_byte=p.rx_j_per_byte,
            storage_bytes=float(p.storage_bytes),
            export_efficiency=1 - p.export_loss_fraction,
            import_efficiency=1 - p.import_loss_fraction,
            battery_capacity_j=p.battery_capacity_uj / 1e6,
            charge_efficiency=p.charge_efficiency_fraction,
            discharge_efficiency=p.discharge_efficiency_fraction,
            self_discharge_fraction=p.self_discharge_fraction,
            charge_limit_w=p.charge_limit_w,
            discharge_limit_w=p.discharge_limit_w,
        )

    def handle(self, message: Any) -> list[Any]:
        if isinstance(message, MarketCall | MarketNews):
            if self.desk is None or self.desk_slot != message.slot:
                self.desk, self.desk_slot = Desk(self.own(message.slot)), message.slot
            return [self.desk.answer(message)]
        if isinstance(message, Decision):
            assert message.self_managed
            assert self.desk is not None
            sent = sum(send.batches for send in message.sends)
            guests = sum(guest.batches for guest in message.guests)
            self.managed = self.desk.managed(sent, guests)
            home = self.managed.own_batches
            message = dataclasses.replace(message, own_batches=home, charge_uj=0, discharge_uj=10**12)
        return [m for m in self._old(message) if m is not None]

    def _old(self, message: Any) -> list[Any]:
        try:
            return list(super().handle(message))
        except AssertionError as error:
            if "no telemetry" not in str(error):
                raise
            return [m for m in self.outbox.values() if not isinstance(m, Telemetry)]

    def say(self, message: Any) -> Any:
        if isinstance(message, Usage):
            own = OwnWork(self.decisions[message.slot].own_batches, (self.release,))
            message = dataclasses.replace(message, own_work=own)
        return super().say(message)


class Bench:
    """A direct coordinator with stub nodes; ``mute`` nodes get messages and answer nothing."""

    def __init__(self, config: CoordinatorConfig, policy: Any, **changes: Any) -> None:
        from coordinator.adapters.direct import DirectCoordinator

        self.now = 0.0
        self.config, self.policy = config, policy
        self.nodes = {node: StubNode(node, **changes) for node in config.node_ids}
        self.mute: set[str] = set()
        self.drop: Callable[[str, UpMessage], bool] = lambda node, message: False
        self.heard: list[tuple[str, DownMessage]] = []
        self._kind = DirectCoordinator
        self.coordinator = self._started()

    def _started(self) -> Any:
        return self._kind(
            self.config, self.policy, self.deliver, lambda: self.now, lambda: self.now, self.sleep
        )

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def deliver(self, node_id: str, message: DownMessage) -> None:
        self.heard.append((node_id, message))
        if node_id in self.mute:
            return
        for answer in self.nodes[node_id].handle(message):
            if not self.drop(node_id, answer):
                self.coordinator.receive(node_id, answer)

    def join(self, *nodes: str) -> None:
        for node in nodes or self.nodes:
            stub = self.nodes[node]
            stub.horizon = self.config.look_ahead_slots
            stub.classes = self.config.limits.deadline_slots + 1
            self.coordinator.receive(node, stub.register())

    def restart(self) -> None:
        """Like after kill -9: a new coordinator on the same ledger, with new streams."""
        self.coordinator.close()
        self.coordinator = self._started()

    def run_slot(self, slot: int, stage: Stage = Stage.DEVELOPMENT) -> Any:
        from protos.messages.runner import BeginSlot, EndSlot

        self.coordinator.begin_slot(BeginSlot(slot, stage, 1.0))
        return self.coordinator.end_slot(EndSlot(slot, 1.0, 1000, 10))

    def close(self) -> None:
        self.coordinator.close()


@pytest.fixture
def replayed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Replayed]:
    """A server of live intensities at the present time, and its keys in the environment."""
    for name, key in KEYS.items():
        monkeypatch.setenv(name, key)
    running = Replayed()
    yield running
    running.close()


@pytest.fixture(scope="session")
def kit() -> Any:
    """The helpers of this file."""
    return SimpleNamespace(
        profile=profile,
        make_config=make_config,
        live_config=live_config,
        StubNode=StubNode,
        TradingStub=TradingStub,
        Bench=Bench,
        SLOT_S=SLOT_S,
        BATCHES=BATCHES,
        HARVEST_UJ=HARVEST_UJ,
    )
