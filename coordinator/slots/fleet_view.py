"""The fleet as a policy sees it before a slot, from registrations, telemetry and intensities. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from carbon_data.units import JOULES_PER_KWH, MICRO
from coordinator.config import CoordinatorConfig, ZoneIntensity
from coordinator.market.fleet import Fleet, Limits
from coordinator.negotiation.table import Table
from coordinator.slots.books import Books
from coordinator.slots.columns import ProfileColumns, StandingColumns, work_of
from coordinator.slots.deferral import offload_room, waiting_batches
from coordinator.slots.expecting import expected_g_per_kwh
from coordinator.slots.moved_turns import moved_turns
from coordinator.slots.recalled import recalled_turns, taken_turns
from protos.messages.columns import TelemetryColumns
from protos.messages.slot import Telemetry
from protos.messages.stream import NodeProfile
from protos.messages.terms import Stage

NOT_OFFLOADABLE = (Stage.PREPARATION, Stage.UNALLOCATED)
"""Work that may not leave its owner: a node receives data from its own devices."""


@dataclass(frozen=True, slots=True)
class NodeView:
    """The coordinator's knowledge of one node before a slot."""

    profile: NodeProfile
    telemetry: Telemetry
    asleep: bool
    participations: int
    offload_room: tuple[int, ...] | None
    """By deadline class; None without deferral."""
    harvested_uj: int = 0
    """Booked so far in this run."""
    given_uj: int = 0
    """Booked exports so far in this run."""

    @property
    def now(self) -> NodeProfile:
        """The profile, with what the node has learned of the cost of its work since it registered."""
        learned = {work.stage: work for work in self.telemetry.work}
        if not learned:
            return self.profile
        work = tuple(learned.get(each.stage, each) for each in self.profile.work)
        return replace(self.profile, work=work)


def limits_of(config: CoordinatorConfig) -> Limits:
    given = config.limits
    return Limits(
        offload_cap_fraction=given.offload_cap_fraction,
        transfer_cap_fraction=given.transfer_cap_fraction,
        transfer_cap_over=given.transfer_cap_over,
        deadline_slots=given.deadline_slots,
        may_sleep=given.may_sleep,
        net_j_per_byte=given.net_j_per_byte,
    )


def build_table(
    config: CoordinatorConfig,
    slot: int,
    profiles: Mapping[str, NodeProfile],
    intensity: Mapping[str, Sequence[float]],
    epoch: int,
    attempt: int,
    zones: Iterable[ZoneIntensity] | None = None,
) -> Table:
    """Public quantities of the nodes in ``profiles`` (in that order) before ``slot``: no telemetry goes in."""
    horizon = _horizon(config, slot)
    stages = config.stages[slot : slot + horizon]
    bodies = list(profiles.values())
    work = [[work_of(body, stage) for stage in stages] for body in bodies]
    places = [body.zone for body in bodies]
    intensities, later = _intensities(config, slot, horizon, places, intensity, zones)

    def column(name: str) -> np.ndarray:
        return np.array([float(getattr(body, name)) for body in bodies])

    return Table(
        node_ids=tuple(profiles),
        slot=slot,
        slot_s=config.slot_s,
        limits=limits_of(config),
        intensity_g_per_kwh=intensities,
        later_g_per_kwh=later,
        seconds_per_batch=np.array([[w.seconds_per_batch for w in row] for row in work]),
        joules_per_batch=np.array([[w.joules_per_batch for w in row] for row in work]),
        bytes_per_batch=np.array([[w.bytes_per_batch for w in row] for row in work], dtype=float).max(axis=0),
        offloadable=np.array([stage not in NOT_OFFLOADABLE for stage in stages]),
        static_w=column("static_w"),
        tx_j_per_byte=column("tx_j_per_byte"),
        rx_j_per_byte=column("rx_j_per_byte"),
        export_efficiency=1.0 - column("export_loss_fraction"),
        import_efficiency=1.0 - column("import_loss_fraction"),
        decision_slots=min(config.horizon_slots, horizon),
        epoch=epoch,
        attempt=attempt,
    )


def _intensities(
    config: CoordinatorConfig,
    slot: int,
    horizon: int,
    places: Sequence[str],
    intensity: Mapping[str, Sequence[float]],
    zones: Iterable[ZoneIntensity] | None,
) -> tuple[np.ndarray, np.ndarray]:
    """In zones ``places``: (N, H) true intensity of the slot, then what is expected; (N,) mean of the last known day
    where the run goes on after it, else 0: energy left at the run's end has no use in it."""
    wanted = set(places)
    expected = {
        zone.zone: expected_g_per_kwh(zone, slot, horizon - 1, config.forecast_known_slots)
        for zone in (config.zones if zones is None else zones)
        if zone.zone in wanted
    }
    rows = {zone: np.array((intensity[zone][slot], *expected[zone]), dtype=float) for zone in wanted}
    intensities = np.array([rows[zone] for zone in places])
    goes_on = slot + horizon < len(config.stages)
    return intensities, intensities[:, -config.day_slots :].mean(axis=1) * goes_on


def _last_slots(config: CoordinatorConfig, slot: int, horizon: int) -> np.ndarray | None:
    """(H,) last slot, from ``slot`` on, in which work released in each slot may run: no work of one stage runs
    in another, none after the run, and requests no later than their latency target. None without deferral.
    """
    if config.limits.deadline_slots == 0:
        return None
    last = []
    for released in range(slot, slot + horizon):
        stage, patience = config.stages[released], config.limits.deadline_slots
        if stage is Stage.APPLICATION and config.request_deadline_slots is not None:
            patience = min(patience, config.request_deadline_slots)
        end = released
        while end < min(released + patience, len(config.stages) - 1) and config.stages[end + 1] is stage:
            end += 1
        last.append(end - slot)
    return np.array(last, dtype=np.int64)


def build_fleet(
    config: CoordinatorConfig,
    slot: int,
    views: Mapping[str, NodeView],
    intensity: Mapping[str, Sequence[float]],
    zones: Iterable[ZoneIntensity] | None = None,
) -> Fleet:
    """The Fleet of the nodes in ``views`` (in that order) before ``slot``; see ``fleet_of_columns``."""
    nodes = list(views.values())
    horizon = _horizon(config, slot)
    stages = config.stages[slot : slot + horizon]
    told = [node.telemetry for node in nodes]
    telemetry = TelemetryColumns(
        slot=slot,
        battery_uj=np.array([each.battery_uj for each in told], dtype=np.int64),
        harvest_forecast_uj=np.array([each.harvest_forecast_uj[:horizon] for each in told], dtype=np.int64),
        backlog_batches=np.array([each.backlog_batches for each in told], dtype=np.int64),
        release_forecast_batches=np.array(
            [each.release_forecast_batches[: horizon - 1] for each in told], dtype=np.int64
        ).reshape(len(nodes), horizon - 1),
    )
    losses, rooms = [each.mean_loss for each in told], [node.offload_room for node in nodes]
    standing = StandingColumns(
        asleep=np.array([n.asleep for n in nodes], dtype=bool),
        participations=np.array([n.participations for n in nodes], dtype=np.int64),
        harvested_uj=np.array([n.harvested_uj for n in nodes], dtype=np.int64),
        given_uj=np.array([n.given_uj for n in nodes], dtype=np.int64),
        mean_loss=np.array([np.nan if loss is None else loss for loss in losses], dtype=float),
        offload_room=None if None in rooms else np.array(rooms, dtype=np.int64),
    )
    profiles = ProfileColumns.of([node.now for node in nodes], stages)
    return fleet_of_columns(config, tuple(views), profiles, telemetry, standing, intensity, zones)


def _horizon(config: CoordinatorConfig, slot: int) -> int:
    return min(config.look_ahead_slots, len(config.stages) - slot)


def fleet_of_columns(
    config: CoordinatorConfig,
    node_ids: tuple[str, ...],
    profiles: ProfileColumns,
    telemetry: TelemetryColumns,
    standing: StandingColumns,
    intensity: Mapping[str, Sequence[float]],
    zones: Iterable[ZoneIntensity] | None = None,
) -> Fleet:
    """The Fleet before the slot of ``telemetry``.

    ``intensity`` is what has been and is; later columns come from each zone's forecast, where it has one (``zones``;
    None: as configured). The
    look-ahead ends with the run. stored_value_g_per_j is eta_d times the mean intensity of the last known day where
    the run goes on, else 0; policies that plan work the value out from the fleet itself (D9). Where no node can sleep,
    the limits say that nobody may: plans are then linear.
    """
    slot = telemetry.slot
    horizon = _horizon(config, slot)
    stages = config.stages[slot : slot + horizon]
    figures = profiles.figures
    intensities, value_g_per_kwh = _intensities(config, slot, horizon, profiles.zones, intensity, zones)
    harvest_j = telemetry.harvest_forecast_uj[:, :horizon] / MICRO
    limits = limits_of(config)
    return Fleet(
        node_ids=node_ids,
        slot=slot,
        slot_s=config.slot_s,
        stage=str(stages[0]),
        split=profiles.split,
        moved=moved_turns(config, slot, node_ids),
        points=profiles.point_costs(stages),
        calibrated=profiles.calibrated,
        limits=limits if profiles.can_sleep.any() else replace(limits, may_sleep=False),
        intensity_g_per_kwh=intensities,
        harvest_j=harvest_j,
        true_intensity_g_per_kwh=intensities if config.foresight else None,
        true_harvest_j=harvest_j if config.foresight else None,
        backlog_batches=telemetry.backlog_batches,
        release_batches=telemetry.release_forecast_batches[:, : horizon - 1],
        seconds_per_batch=profiles.by_slot("seconds_per_batch", stages),
        joules_per_batch=profiles.by_slot("joules_per_batch", stages),
        model_j=profiles.by_slot("model_j", stages),
        request_j=profiles.by_slot("request_j", stages),
        bytes_per_batch=profiles.by_slot("bytes_per_batch", stages).max(axis=0),
        offloadable=np.array([stage not in NOT_OFFLOADABLE for stage in stages]),
        static_w=figures["static_w"],
        sleep_w=figures["sleep_w"],
        wake_j=figures["wake_j"],
        wake_s=figures["wake_s"],
        tx_j_per_byte=figures["tx_j_per_byte"],
        rx_j_per_byte=figures["rx_j_per_byte"],
        storage_bytes=figures["storage_bytes"],
        export_efficiency=1.0 - figures["export_loss_fraction"],
        import_efficiency=1.0 - figures["import_loss_fraction"],
        battery_j=telemetry.battery_uj / MICRO,
        battery_capacity_j=figures["battery_capacity_uj"] / MICRO,
        charge_efficiency=figures["charge_efficiency_fraction"],
        discharge_efficiency=figures["discharge_efficiency_fraction"],
        self_discharge_fraction=figures["self_discharge_fraction"],
        charge_limit_w=figures["charge_limit_w"],
        discharge_limit_w=figures["discharge_limit_w"],
        stored_value_g_per_j=figures["discharge_efficiency_fraction"] * value_g_per_kwh / JOULES_PER_KWH,
        decision_slots=min(config.horizon_slots, horizon),
        later_slots=len(config.stages) - slot - horizon,
        day_slots=config.day_slots,
        harvest_spread_fraction=0.0 if config.foresight else config.harvest_spread_fraction,
        asleep=standing.asleep,
        can_sleep=None if profiles.can_sleep.all() else profiles.can_sleep,
        offload_room_batches=standing.offload_room,
        release_last_slot=_last_slots(config, slot, horizon),
        harvested_before_j=standing.harvested_uj / MICRO,
        given_before_j=standing.given_uj / MICRO,
        participations=standing.participations,
        num_examples=figures["num_examples"].astype(np.int64),
        mean_loss=standing.mean_loss,
    )


def fleet_of(books: Books, nodes: Sequence[str]) -> Fleet:
    """The Fleet of ``nodes``, in that order, before the next slot, as the books know them. Turns of lost nodes are in
    the backlog of the nodes that answer them."""
    views = {}
    recalled = recalled_turns(books, nodes)
    for node in nodes:
        state, told = books.nodes[node], books.waiting[node]
        telemetry = replace(told, backlog_batches=waiting_batches(books.config, state, told))
        if more := taken_turns(recalled.get(node, ())):
            due, *later = telemetry.backlog_batches
            telemetry = replace(telemetry, backlog_batches=(due + more, *later))
        views[node] = NodeView(
            profile=state.profile,
            telemetry=telemetry,
            asleep=state.asleep,
            participations=state.participations,
            harvested_uj=state.harvested_uj,
            given_uj=state.given_uj,
            offload_room=offload_room(books.config, state, told),
        )
    return build_fleet(books.config, books.next_slot, views, books.intensity_g_per_kwh, books.zones.values())
