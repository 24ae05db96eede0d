"""Findings about nodes' records, whole texts: one record wrong in everything, and one right in everything."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from carbon_data.storage import balance
from coordinator.config import CoordinatorConfig, LimitsConfig
from coordinator.slots.balances import balance_findings, balance_of
from coordinator.slots.record_checks import settlement_findings, telemetry_findings, usage_findings
from coordinator.slots.state import SlotState
from coordinator.slots.trade import SettledTransfer
from protos.messages.runner import SlotPlan
from protos.messages.slot import (
    Decision,
    EnergyLine,
    Executed,
    Guest,
    Metered,
    Moved,
    OwnWork,
    Send,
    Settlement,
    SleepReport,
    Telemetry,
    Usage,
    UserTraffic,
)
from protos.messages.terms import Component, MeterKind, Stage
from tests.coordinator.slots.demand import cells

DEV = Stage.DEVELOPMENT


@pytest.fixture
def config(tmp_path: Path, kit: Any) -> CoordinatorConfig:
    return kit.make_config(tmp_path, horizon_slots=3, limits=LimitsConfig(deadline_slots=2))


def state(managed: bool = False) -> SlotState:
    decision = Decision(
        *("n00", 1, 0, DEV, True, 4, (Send("n01", "", 2),), (Guest("n02", 3),), 0, 0, 0, 9.0),
        self_managed=managed,
    )
    plan = SlotPlan(1, 0, (decision,), (), "rule", None, 0.0)
    made = SlotState(0, DEV, plan, {"n00": decision}, (), None, {}, {})
    made.traded(
        (
            SettledTransfer("n00", "n01", 700, 600, 500),
            SettledTransfer("n02", "n00", 90, 80, 70),
            SettledTransfer("n01", "n00", 90, 0, 0, "void"),
        )
    )
    return made


USAGE = Usage(
    *("n00", "boot1", 2, 1, 0, (EnergyLine(DEV, Component.COMPUTE, 1_000, "modelled"),), 41),
    executed=(Executed("n00", 4), Executed("n02", 3)),
    moved=(Moved("n01", True, 2, 2_000), Moved("n02", False, 3, 3_000)),
    model_bytes=5_000,
    users=(UserTraffic("n00", DEV, 10, 20), UserTraffic("n02", DEV, 0, 30)),
)


def test_a_usage_that_is_right(config: CoordinatorConfig) -> None:
    assert usage_findings(config, state(), USAGE) == []


def usage_findings_of(config: CoordinatorConfig, managed: bool = False, **changes: Any) -> list[str]:
    return usage_findings(config, state(managed), dataclasses.replace(USAGE, **changes))


def test_what_a_sensor_says_of_itself(config: CoordinatorConfig) -> None:
    lines = (dataclasses.replace(USAGE.lines[0], provenance="measured"),)
    good = Metered(MeterKind.POWER, 1_000, 20, 20, 100.0, 1.0, 0, 0.5)

    def found(metered: Metered = good, lines: tuple[EnergyLine, ...] = lines, **changes: Any) -> list[str]:
        return usage_findings_of(config, lines=lines, metered=dataclasses.replace(metered, **changes))

    replayed = (dataclasses.replace(USAGE.lines[0], provenance="replayed"),)
    assert found() == found(lines=replayed) == found(half_width_uj=0, bias_uj=0) == []
    assert found(energy_uj=1_001) == ["the meter read 1001 uJ, the lines are 1000 uJ"]
    assert found(lines=USAGE.lines) == [
        "lines of kind power are ['modelled']; allowed are ['measured', 'replayed']"
    ]
    assert found(bias_uj=21) == ["bias 21 uJ is not within the half width, 20 uJ"]
    assert found(bias_uj=-1) == ["bias -1 uJ is not within the half width, 20 uJ"]
    for lacking in ({"half_width_uj": None}, {"bias_uj": None}):
        assert found(**lacking) == ["a reading of kind power has no interval"]
    for change in ({"coverage_fraction": 1.1}, {"rate_hz": -1.0}, {"gaps": -1}, {"window_s": 0.0}):
        assert [text.endswith("no window of a sensor") for text in found(**change)] == [True]
    estimate = dataclasses.replace(good, kind=MeterKind.ESTIMATE, half_width_uj=None, bias_uj=None)
    assert found(estimate, USAGE.lines) == []
    assert found(estimate, USAGE.lines, half_width_uj=20) == [
        "an estimate has the interval (20, None); what it leaves out is not known"
    ]


def test_each_finding_about_a_usage(config: CoordinatorConfig) -> None:
    shared = (Component.NETWORK, Component.COORDINATOR, Component.ROUTER)
    lines = tuple(EnergyLine(DEV, component, 1, "modelled") for component in shared)
    assert usage_findings_of(config, lines=lines) == [f"{one} is no line of a node" for one in shared]
    assert usage_findings_of(config, executed=(Executed("n00", 1), Executed("n00", 2))) == [
        "an owner is named twice in executed"
    ]
    assert usage_findings_of(config, executed=(Executed("n01", 1),)) == ["ran batches of n01, not decided"]
    swapped = (Moved("n01", False, 2, 2_000), Moved("n02", True, 3, 3_000))
    assert usage_findings_of(config, moved=swapped) == [
        "moved batches with n01, not decided",
        "moved batches with n02, not decided",
    ]
    assert usage_findings_of(config, users=(UserTraffic("n01", DEV, 0, 5),)) == [
        "users of n01 got answers, not decided"
    ]
    assert usage_findings_of(config, users=(UserTraffic("n02", DEV, 6, 5),)) == [
        "users of n02 sent 6 bytes here; users send to their own node"
    ]
    twice = (UserTraffic("n00", DEV, 1, 1), UserTraffic("n00", DEV, 2, 2))
    assert usage_findings_of(config, users=twice) == ["an owner's users are named twice in one stage"]
    apart = (*twice[:1], UserTraffic("n00", DEV, 2, 2, True), UserTraffic("n00", Stage.APPLICATION, 2, 2))
    assert usage_findings_of(config, users=apart) == []


def test_what_a_board_says_of_its_sleep_agrees_with_its_reading(config: CoordinatorConfig) -> None:
    awake, asleep = SleepReport(asleep=False, wake_s=2.0), SleepReport(asleep=True)
    rest = (EnergyLine(Stage.UNALLOCATED, Component.SLEEP, 1_000, "measured"),)
    idle: dict[str, Any] = {"executed": (), "users": ()}
    assert usage_findings_of(config, sleep=awake) == []
    assert usage_findings_of(config, sleep=asleep, lines=rest, **idle) == []
    assert usage_findings_of(config, sleep=asleep) == ["ended the slot asleep, and ran batches in it"]
    assert usage_findings_of(config, sleep=awake, lines=rest, **idle) == [
        "has energy of sleep in a slot that it ended awake"
    ]
    for changes in (
        {"wake_uj": 5},
        {"provenance": "measured"},
        {"wake_s": None, "wake_uj": 5, "provenance": "measured"},
    ):
        half = dataclasses.replace(awake, **changes)
        assert usage_findings_of(config, sleep=half) == ["energy of waking up has a time and a provenance"]
    whole = dataclasses.replace(awake, wake_uj=5, wake_half_width_uj=1, provenance="measured")
    assert usage_findings_of(config, sleep=whole) == []


def test_own_work_belongs_to_decisions_of_self_managed_nodes(config: CoordinatorConfig) -> None:
    own, short = OwnWork(4, (1, 2, 3)), OwnWork(4, (1, 2))
    assert usage_findings_of(config, managed=True, own_work=own) == []
    assert usage_findings_of(config, managed=True) == [
        "own_work is None; it belongs to self-managed decisions, this is True"
    ]
    assert usage_findings_of(config, own_work=own) == [
        f"own_work is {own}; it belongs to self-managed decisions, this is False"
    ]
    assert usage_findings_of(config, managed=True, own_work=short) == ["own_work has 2 classes, needed are 3"]


def test_lengths_and_battery_of_a_telemetry(config: CoordinatorConfig, kit: Any) -> None:
    profile = kit.profile(0)
    capacity = profile.battery_capacity_uj
    right = Telemetry("n00", "boot1", 1, 0, capacity, (1, 2, 3), (4, 5, 6), (7, 8))
    assert config.look_ahead_slots == 3
    assert telemetry_findings(config, profile, right) == []
    longer = dataclasses.replace(right, harvest_forecast_uj=(1, 2, 3, 4), release_forecast_batches=(7, 8, 9))
    assert telemetry_findings(config, profile, longer) == []
    wrong = Telemetry("n00", "boot1", 1, 0, capacity + 1, (1, 2), (4, 5, 6, 7), (7,))
    assert telemetry_findings(config, profile, wrong) == [
        "harvest_forecast_uj has 2 values, needed are 3",
        "release_forecast_batches has 1 values, needed are 2",
        "backlog_batches has 4 values, needed are 3",
        f"battery holds {capacity + 1} uJ, its capacity is {capacity} uJ",
    ]


def settled(kit: Any, **changes: int) -> Settlement:
    """1,000 uJ of demand and 41 of harvest, 600 exported and 70 imported, out of a battery with 2,000,000."""
    result = balance(
        cells(kit.profile(0)),
        2_000_000,
        demand_uj=1_000,
        harvest_uj=41,
        import_uj=70,
        export_uj=600,
        discharge_uj=10_000,
    )
    values = {name: getattr(result, name) for name in result.__slots__}
    values = {name: value + changes.get(name, 0) for name, value in values.items()}
    return Settlement("n00", "boot1", 3, 1, 0, **values)


def settlement_findings_of(kit: Any, **changes: int) -> list[str]:
    slot = state()
    slot.usage["n00"] = USAGE
    return settlement_findings(slot, settled(kit, **changes), kit.profile(0), kit.SLOT_S)


def test_a_settlement_as_metered_and_granted(kit: Any) -> None:
    assert settlement_findings_of(kit) == []


@pytest.mark.parametrize(
    ("changes", "agreed"),
    [
        ({"demand_uj": 3, "grid_uj": 3}, "demand is 1003 uJ, agreed were 1000 uJ"),
        ({"harvest_uj": 3, "curtailed_uj": 3}, "harvest is 44 uJ, agreed were 41 uJ"),
        ({"export_uj": -3, "curtailed_uj": 3}, "export is 597 uJ, agreed were 600 uJ"),
        ({"import_uj": 3, "curtailed_uj": 3}, "import is 73 uJ, agreed were 70 uJ"),
    ],
)
def test_a_balanced_settlement_of_other_quantities(kit: Any, changes: dict[str, int], agreed: str) -> None:
    assert settlement_findings_of(kit, **changes) == [agreed]


def test_identities_of_a_balance_by_hand(kit: Any) -> None:
    profile, own = kit.profile(0), balance_of(settled(kit))
    lost = own.self_discharge_uj + own.charge_loss_uj + own.discharge_loss_uj
    after = own.battery_before_uj + own.charge_uj - own.discharge_uj - lost
    into = own.harvest_uj + own.discharge_uj + own.import_uj
    for changes, text in (
        ({"demand_uj": 1}, f"(D1) demand {1_001} uJ is not grid {own.grid_uj} + green {own.green_uj}"),
        ({"curtailed_uj": 5}, f"(D2) {into} uJ come to the green bus and {into + 5} uJ leave it"),
        (
            {"battery_after_uj": 1},
            f"(D3) the battery holds {after + 1} uJ afterwards; its flows give {after} uJ",
        ),
    ):
        wrong = dataclasses.replace(own, **{name: getattr(own, name) + by for name, by in changes.items()})
        assert balance_findings(wrong, profile, kit.SLOT_S) == [text]
    negative = dataclasses.replace(own, charge_uj=-1, export_uj=-2)
    assert balance_findings(negative, profile, kit.SLOT_S) == [
        "charge_uj is -1 uJ, allowed is >= 0",
        "export_uj is -2 uJ, allowed is >= 0",
    ]
    tiny = dataclasses.replace(profile, battery_capacity_uj=own.battery_after_uj - 1)
    assert balance_findings(own, tiny, kit.SLOT_S) == [
        f"(D3) the battery holds {own.battery_after_uj} uJ of {own.battery_after_uj - 1} uJ capacity"
    ]
    assert balance_findings(own, dataclasses.replace(tiny, battery_capacity_uj=after), kit.SLOT_S) == []
    dead = dataclasses.replace(profile, discharge_efficiency_fraction=0.0)
    assert balance_findings(own, dead, kit.SLOT_S) == [
        f"discharge of {own.discharge_uj} uJ at a discharging efficiency of 0"
    ]


def test_losses_and_powers_of_a_battery_by_hand(kit: Any) -> None:
    """Profile 0: 0.93 in, 0.91 out, 0.001 a slot; 5 W in, 4 W out, over 60 s. Two microjoules are rounding."""
    profile = kit.profile(0)
    charged = balance(cells(profile), 10_000_000, demand_uj=0, harvest_uj=1_000_000, charge_uj=1_000_000)
    assert (charged.charge_loss_uj, charged.self_discharge_uj) == (70_000, 10_000)

    def moved(base: Any, term: str, by: int) -> list[str]:
        """A loss moved, and the battery with it, so that (D3) holds."""
        change = {term: getattr(base, term) + by, "battery_after_uj": base.battery_after_uj - by}
        return balance_findings(dataclasses.replace(base, **change), profile, kit.SLOT_S)

    given = "uJ, the profile's efficiencies give"
    for by in (-2, 2):
        assert moved(charged, "charge_loss_uj", by) == []
        assert moved(charged, "self_discharge_uj", by) == []
    for by in (-4, 4):
        assert moved(charged, "charge_loss_uj", by) == [
            f"(D3) charge loss is {70_000 + by} {given} 70000.0 uJ"
        ]
        assert moved(charged, "self_discharge_uj", by) == [
            f"(D3) self-discharge is {10_000 + by} {given} 10000.0 uJ"
        ]
    drawn = balance(cells(profile), 10_000_000, demand_uj=910_000, harvest_uj=0, discharge_uj=910_000)
    assert drawn.discharge_loss_uj == 90_000
    assert moved(drawn, "discharge_loss_uj", 4) == [f"(D3) discharge loss is 90004 {given} 90000.0 uJ"]
    assert balance_findings(drawn, profile, 910_000 / 4e6) == []
    assert balance_findings(drawn, profile, 900_000 / 4e6) == [
        "discharge of 910000 uJ in 0.225 s, the limit is 4.0 W"
    ]
    assert balance_findings(charged, profile, 1.0 / 5.0) == []
    assert balance_findings(charged, profile, 0.1) == ["charge of 1000000 uJ in 0.1 s, the limit is 5.0 W"]
