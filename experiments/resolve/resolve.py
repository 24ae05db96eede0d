"""Resolution of a scenario into the inputs of a run: nodes, coordinator, traces, slot length. Reads data, starts
nothing.

A zone, trace, task or board that cannot provide the scenario's data is refused here, before any process starts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from carbon_data.types import DataError
from coordinator.policies.registry import resolve as find_policy
from edge_node.energy.transport import load_transport
from experiments.errors import UsageError
from experiments.resolve.assumptions import assumptions_of
from experiments.resolve.boards import battery_of, coordinator_body, node_boards
from experiments.resolve.checks import (
    check_accounting,
    check_battery_meters,
    check_daemons,
    check_harvest_meters,
    check_meters,
    check_sockets,
    check_virtual,
)
from experiments.resolve.chosen_policy import (
    chosen_traits,
    known_slots,
    trained_at_most,
)
from experiments.resolve.conversing import refuse_follow
from experiments.resolve.demand import learns_nothing, refuse_learning
from experiments.resolve.devices import check_devices
from experiments.resolve.feasible import refuse_impossible
from experiments.resolve.kinds import refuse_kind
from experiments.resolve.language import refuse_unserved, serves_language
from experiments.resolve.listen import LISTENING, check_host
from experiments.resolve.made import made_metadata
from experiments.resolve.network_factor import network_factor
from experiments.resolve.operating_points import with_points
from experiments.resolve.overfull import refuse_overfull
from experiments.resolve.privacy import check_privacy
from experiments.resolve.requests import node_inference, planned_load
from experiments.resolve.resolved import Resolved
from experiments.resolve.served import check_serving, with_serving
from experiments.resolve.sleep import check_sleep
from experiments.resolve.slot_length import busiest_s, check_slot
from experiments.resolve.traces import (
    harvest_traces,
    persistence_slots,
    zone_traces,
)
from experiments.resolve.unused import refuse_unused
from experiments.resolve.work import app_work, counted_work, language_work, learned_work
from experiments.scenario.model import Scenario
from experiments.scenario.strategies import check_strategy

if TYPE_CHECKING:
    from experiments.progress import Watch


def resolve(scenario: Scenario, watch: Watch | None = None) -> Resolved:
    """Resolve all names of the scenario. ``watch`` is told of parts that take long. Raises UsageError or DataError
    before anything starts."""
    try:
        return _resolve(scenario, watch)
    except (UsageError, DataError):
        raise
    except (ValueError, FileNotFoundError) as error:
        # Registries of the lower rooms refuse with ValueErrors whose text says what is allowed.
        raise UsageError(str(error)) from error


def resolve_single(scenario: Scenario, watch: Watch | None = None) -> Resolved:
    """Likewise for a run of this policy alone. Refuses a policy that has no users to follow: beside others, in a
    comparison, it is warned of."""
    resolved = resolve(scenario, watch)
    refuse_follow(scenario)
    return resolved


def _resolve(scenario: Scenario, watch: Watch | None) -> Resolved:
    with scenario.at("policy"):
        find_policy(scenario.policy)
        given, scenario = scenario, with_serving(scenario)
    refuse_unused(scenario)
    refuse_learning(scenario)
    with scenario.at("policy_options"):
        chosen_traits(scenario)
    refuse_unserved(scenario)
    with scenario.at("coordinator", "horizon_slots"):
        persistence_slots(scenario)
    with scenario.at("fleet", "kind"):
        check_sockets(scenario)
        check_virtual(scenario)
        check_daemons(scenario)
    with scenario.at("coordinator", "host"):
        check_host(scenario.coordinator.host, listens=scenario.fleet.kind in LISTENING)
    check_strategy(scenario, trained_at_most(scenario))
    refuse_kind(scenario)
    check_privacy(scenario)
    entries = tuple(k for k, spec in enumerate(scenario.nodes) for _ in range(spec.count))
    specs = tuple(scenario.nodes[k] for k in entries)
    stages = scenario.stages.slots()
    boards, board_notes = node_boards(scenario, entries)
    boards = with_points(scenario, boards)
    if scenario.task.is_app:
        work = app_work(scenario, boards)
    elif learns_nothing(scenario):
        work = counted_work(scenario, entries, boards)
    elif serves_language(scenario):
        work = language_work(scenario, boards)
    else:
        work = learned_work(scenario, boards)
    task, work_s, slot_s = work.task, work.seconds, work.slot_s
    with scenario.at("time", "slot_s"):
        check_slot(scenario, slot_s)
    check_devices(scenario, entries)
    check_meters(scenario, entries, boards, slot_s)
    check_sleep(scenario, boards)
    check_serving(scenario, boards)
    # A node forecasts its harvest over all that decisions know, also from the last slot on.
    intervals = len(stages) + known_slots(scenario)
    zones, origins = zone_traces(scenario, intervals)
    check_accounting(scenario, zones, len(stages))
    harvests, harvest_origins = harvest_traces(scenario, entries, intervals, watch)
    check_harvest_meters(scenario, entries, harvests)
    batteries = tuple(battery_of(scenario, spec.battery or scenario.battery, slot_s) for spec in specs)
    check_battery_meters(scenario, entries, batteries, slot_s)
    with scenario.at("network", "transport"):
        transport = load_transport(scenario.network.transport)
    with scenario.at("network", "net_low_j_per_byte"):
        network = network_factor(scenario.network, transport)
    with scenario.at("inference"):
        inference, languages = node_inference(
            scenario, specs, stages, boards, task, slot_s, work.language, watch
        )
        if work.language is not None and scenario.time.clock == "wall":
            refuse_overfull(scenario, boards, inference, languages, slot_s, stages)
        batches, requests = work.batches, None
        if work.language is not None:
            batches, requests = planned_load(inference, slot_s, stages, scenario.seed, watch)
    resolved = Resolved(
        scenario=given,
        slot_s=slot_s,
        stages=stages,
        boards=boards,
        harvests=harvests,
        batteries=batteries,
        node_specs=specs,
        zones=zones,
        body=coordinator_body(scenario, task),
        network=network,
        task=task,
        recycling=work.recycling,
        batches_per_node=batches,
        demands=work.demands,
        inference=inference,
        data_used=task.data,
        data_origin=work.origin_of_data,
        origins={**origins, **harvest_origins, **work.origins},
        assumptions=assumptions_of(scenario, slot_s, board_notes, network),
        made=made_metadata(scenario),
        app=work.app,
        languages=languages,
        planned_requests=requests,
    )
    with scenario.at("time", "slot_s"):
        refuse_impossible(resolved, busiest_s(scenario, stages, work_s))
    return resolved
