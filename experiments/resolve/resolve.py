"""From a scenario to everything a run needs: nodes, coordinator, traces, slot length. Reads data, starts nothing.

Whatever a zone, a trace, a task or a board cannot provide is refused here, before any process starts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from carbon_data.types import DataError, Signal
from carbon_data.units import wh_to_joules
from coordinator.config import CoordinatorBody, CoordinatorConfig, LimitsConfig, ZoneIntensity
from edge_node.config import (
    BatteryConfig,
    BoardConfig,
    HarvestConfig,
    InferenceConfig,
    NodeConfig,
    TaskConfig,
)
from edge_node.energy.transport import load_transport
from experiments.errors import UsageError
from experiments.resolve.chosen_policy import (
    day_slots,
    horizon_slots,
    known_slots,
    needs_truth,
    policy_settings,
)
from experiments.resolve.feasible import refuse_impossible
from experiments.resolve.listen import check_host
from experiments.resolve.network_factor import NetworkFactor, network_factor
from experiments.resolve.requests import mean_per_s, node_inference, service_task
from experiments.resolve.traces import (
    SECONDS_PER_DAY,
    coordinator_zone,
    harvest_traces,
    no_harvest,
    node_name,
    persistence_slots,
    zone_traces,
)
from experiments.resolve.unused import refuse_unused
from experiments.scenario.model import YEAR_S, BatterySpec, BoardSpec, NodeSpec, Scenario
from protos.messages import Stage

if TYPE_CHECKING:
    from pathlib import Path

    from edge_node.tasks.base import Task

BUSY_SHARE = 0.5
"""slot_s = "auto": a slot lasts so long that a node is busy for this share of it on average, in the busiest stage."""
WORST_SHARE = 0.95
"""slot_s = "auto": and so long that no node is busy for more than this share of it with its own work (choice: 5 % are
left for waking and for rounding to whole batches)."""
AGGREGATE_FLOP_PER_PARAMETER = 2.0
"""Weighted averaging: one multiplication and one addition per parameter and participant."""


@dataclass(frozen=True)
class Resolved:
    """A scenario with its data: what ``run`` executes. Deterministic for scenario and seed."""

    scenario: Scenario
    slot_s: float
    stages: tuple[Stage, ...]
    boards: tuple[BoardConfig, ...]
    harvests: tuple[HarvestConfig, ...]
    batteries: tuple[BatteryConfig | None, ...]
    node_specs: tuple[NodeSpec, ...]
    zones: tuple[ZoneIntensity, ...]
    body: CoordinatorBody
    network: NetworkFactor
    task: TaskConfig
    recycling: TaskConfig | None
    batches_per_node: tuple[int, ...]
    inference: tuple[InferenceConfig, ...]
    data_used: str
    data_origin: str
    origins: dict[str, dict[str, Any]]
    assumptions: tuple[str, ...]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What can be run and may not be what was meant."""
        step_s = self.scenario.time.trace_step_s
        stand_ins = tuple(
            dict.fromkeys(text for origin in self.origins.values() if (text := origin["stand_in"]))
        )
        if self.slot_s <= step_s:
            return stand_ins
        return (
            *stand_ins,
            f"a slot of {self.slot_s:.4g} s is longer than the {step_s:g} s that the traces advance in it: each slot's "
            f"joules count at the intensity of its first {step_s:g} s; raise time.trace_step_s, or lower the work of a "
            "slot",
        )

    @property
    def net_j_per_byte(self) -> float:
        """eps_net as booked and as decisions are made under it."""
        return self.network.booked_j_per_byte

    @property
    def node_ids(self) -> tuple[str, ...]:
        return tuple(node_name(i, len(self.node_specs)) for i in range(len(self.node_specs)))

    def node_configs(
        self, run_id: str, coordinator_address: str, *, with_harvest: bool
    ) -> tuple[NodeConfig, ...]:
        """Configuration of every node; GRID takes harvest and battery away, physically."""
        scenario = self.scenario
        configs = []
        for i, spec in enumerate(self.node_specs):
            harvest = self.harvests[i] if with_harvest else no_harvest(len(self.harvests[i].power_w))
            configs.append(
                NodeConfig(
                    run_id=run_id,
                    node_id=self.node_ids[i],
                    index=i,
                    zone=spec.zone,
                    seed=scenario.seed,
                    slot_s=self.slot_s,
                    stages=self.stages,
                    deadline_slots=scenario.limits.deadline_slots,
                    horizon_slots=self.known_slots,
                    board=self.boards[i],
                    battery=self.batteries[i] if with_harvest else None,
                    export_loss_fraction=scenario.network.export_loss_fraction,
                    import_loss_fraction=scenario.network.import_loss_fraction,
                    harvest=harvest,
                    task=self.task.model_copy(
                        update={"partition_index": i, "batches_per_slot": self.batches_per_node[i]}
                    ),
                    recycling_task=None
                    if self.recycling is None
                    else self.recycling.model_copy(
                        update={"partition_index": i, "batches_per_slot": self.batches_per_node[i]}
                    ),
                    inference=self.inference[i],
                    meter=scenario.fleet.meter,
                    coordinator_address=coordinator_address,
                    peer_host=scenario.coordinator.host,
                )
            )
        return tuple(configs)

    def coordinator_config(self, run_id: str, ledger_path: Path) -> CoordinatorConfig:
        scenario = self.scenario
        return CoordinatorConfig(
            run_id=run_id,
            ledger_path=ledger_path,
            policy=scenario.policy,
            policy_options=policy_settings(scenario),
            seed=scenario.seed,
            slot_s=self.slot_s,
            stages=self.stages,
            node_ids=self.node_ids,
            zones=self.zones,
            horizon_slots=self.horizon_slots,
            known_slots=self.known_slots,
            day_slots=day_slots(scenario),
            forecast_known_slots=persistence_slots(scenario),
            foresight=self.foresight,
            limits=LimitsConfig(net_j_per_byte=self.net_j_per_byte, **scenario.limits.model_dump()),
            request_deadline_slots=None
            if (target_s := scenario.inference.strictest_target_s) is None
            else int(target_s // self.slot_s),
            body=self.body,
            tree_alpha_bits_per_token=scenario.tree.alpha_bits_per_token,
            host=scenario.coordinator.host,
            heartbeat_s=scenario.coordinator.heartbeat_s,
            lease_s=scenario.coordinator.lease_s,
        )

    @cached_property
    def with_harvest(self) -> bool:
        """Whether the policy uses harvest at all (GRID does not)."""
        from coordinator.policies.registry import make_policy, uses_harvest

        return uses_harvest(make_policy(self.scenario.policy, **policy_settings(self.scenario)))

    @property
    def foresight(self) -> bool:
        """Whether the policy is told the true future, to the end of the run (the oracle is)."""
        return needs_truth(self.scenario)

    @property
    def horizon_slots(self) -> int:
        """H: slots that a policy optimises."""
        return horizon_slots(self.scenario)

    @property
    def known_slots(self) -> int:
        """Slots that a decision knows of."""
        return known_slots(self.scenario)

    def summary(self) -> dict[str, Any]:
        """For people and for ``detabed check``."""
        scenario = self.scenario
        return {
            "name": scenario.name,
            "policy": scenario.policy,
            "seed": scenario.seed,
            "nodes": len(self.node_specs),
            "zones": sorted({spec.zone for spec in self.node_specs}),
            "slots": len(self.stages),
            "horizon_slots": self.horizon_slots,
            "known_slots": self.known_slots,
            "slot_s": self.slot_s,
            "trace_step_s": scenario.time.trace_step_s,
            "start": scenario.time.start.isoformat(),
            "forecast": scenario.forecast.kind,
            "task": self.task.name,
            "data_used": self.data_used,
            "services": [service.label for service in scenario.inference.services],
            "batches_per_node_and_slot": sorted(set(self.batches_per_node)),
            "harvest_peak_w": [max(harvest.power_w) for harvest in self.harvests],
            "battery_capacity_j": [battery.capacity_j if battery else 0.0 for battery in self.batteries],
            "warnings": list(self.warnings),
        }


def resolve(scenario: Scenario) -> Resolved:
    """Look everything up that the scenario names. Raises UsageError or DataError; nothing has started then."""
    try:
        return _resolve(scenario)
    except (UsageError, DataError):
        raise
    except (ValueError, FileNotFoundError) as error:
        # Registries of the lower rooms refuse with ValueErrors whose text says what is allowed.
        raise UsageError(str(error)) from error


def _resolve(scenario: Scenario) -> Resolved:
    from coordinator.policies.registry import make_policy
    from coordinator.policies.registry import resolve as find_policy
    from experiments.scenario.strategies import check_strategy

    refuse_unused(scenario)
    with scenario.at("policy"):
        find_policy(scenario.policy)
    with scenario.at("policy_options"):
        make_policy(scenario.policy, **policy_settings(scenario))
    with scenario.at("coordinator", "horizon_slots"):
        persistence_slots(scenario)
    with scenario.at("fleet", "kind"):
        _check_sockets(scenario)
    with scenario.at("coordinator", "host"):
        check_host(scenario.coordinator.host, listens=scenario.fleet.kind == "ray")
    check_strategy(scenario)
    entries = tuple(k for k, spec in enumerate(scenario.nodes) for _ in range(spec.count))
    specs = tuple(scenario.nodes[k] for k in entries)
    stages = scenario.stages.slots()
    boards, board_notes = _boards(scenario, entries)
    task, recycling, origin_of_data = _tasks(scenario, len(specs))
    batches, development_s = _development_work(scenario, task, boards)
    work_s = _work_s(scenario, boards, task, batches, development_s)
    slot_s = _slot_s(scenario, stages, work_s, _services_share(scenario, boards, task))
    with scenario.at("time", "slot_s"):
        _check_slot(slot_s)
    with scenario.at("fleet", "meter"):
        _check_meter(scenario, boards[0], slot_s)
    # A node forecasts its harvest over all that decisions know, also from the last slot on.
    intervals = len(stages) + known_slots(scenario)
    zones, origins = zone_traces(scenario, intervals)
    _check_accounting(scenario, zones, len(stages))
    harvests, harvest_origins = harvest_traces(scenario, entries, intervals)
    with scenario.at("network", "transport"):
        load_transport(scenario.network.transport)
    with scenario.at("network", "net_low_j_per_byte"):
        network = network_factor(scenario.network)
    with scenario.at("inference"):
        inference = node_inference(scenario, specs, stages, boards, task, slot_s)
    resolved = Resolved(
        scenario=scenario,
        slot_s=slot_s,
        stages=stages,
        boards=boards,
        harvests=harvests,
        batteries=tuple(_battery(scenario, spec.battery or scenario.battery, slot_s) for spec in specs),
        node_specs=specs,
        zones=zones,
        body=_body(scenario, task),
        network=network,
        task=task,
        recycling=recycling,
        batches_per_node=batches,
        inference=inference,
        data_used=task.data,
        data_origin=origin_of_data,
        origins={**origins, **harvest_origins},
        assumptions=_assumptions(scenario, slot_s, board_notes, network),
    )
    with scenario.at("time", "slot_s"):
        refuse_impossible(resolved, _busiest_s(scenario, stages, work_s))
    return resolved


def _work_s(
    scenario: Scenario,
    boards: tuple[BoardConfig, ...],
    task: TaskConfig,
    batches: tuple[int, ...],
    development_s: list[float],
) -> dict[Stage, list[float]]:
    """Seconds each node's board needs for its own work of a slot, by stage: fixed work, and the mean of requests whose
    number is given by slot. Requests per second take the same share of a slot of any length: they are left out."""
    from edge_node.tasks.registry import find_task

    found, spec = find_task(task.name), scenario.inference
    speed = [board.effective_flop_per_s for board in boards]
    by_second = spec.requests_per_s is not None or spec.load_fraction is not None or spec.arrivals == "trace"
    requests = 0 if by_second else spec.batches_per_slot * spec.requests_per_batch
    prepare_flop, serve_flop = found.prepare_flop(task.batch_size), found.serve_flop()
    return {
        Stage.PREPARATION: [count * prepare_flop / each for count, each in zip(batches, speed, strict=True)],
        Stage.DEVELOPMENT: development_s,
        Stage.APPLICATION: [requests * serve_flop / each for each in speed],
        Stage.RECYCLING: development_s,
    }


def _slot_s(
    scenario: Scenario,
    stages: tuple[Stage, ...],
    work_s: dict[Stage, list[float]],
    services_share: list[float],
) -> float:
    """Length of a slot: as the scenario says; ``auto``: so long that in every stage a node is busy for BUSY_SHARE of it
    on average, and none for more than WORST_SHARE. A development slot counts whether there is one or not.

    ``services_share``: of each node's application slots, taken by further services whatever the slot's length."""
    if scenario.time.slot_s != "auto":
        return scenario.time.slot_s
    nothing = [0.0] * len(services_share)
    return max(
        _covering_s(work_s[stage], services_share if stage is Stage.APPLICATION else nothing)
        for stage in {*stages, Stage.DEVELOPMENT}
    )


def _covering_s(work_s: list[float], taken: list[float]) -> float:
    """Shortest slot in which the work fits beside what is ``taken`` of each node's slot; a limit that the latter
    exceeds by itself holds at no length and is left out."""
    mean = sum(taken) / len(taken)
    limits = [sum(work_s) / len(work_s) / (BUSY_SHARE - mean)] if mean < BUSY_SHARE else []
    limits += [
        work / (WORST_SHARE - share) for work, share in zip(work_s, taken, strict=True) if share < WORST_SHARE
    ]
    return max(limits, default=0.0)


def _services_share(scenario: Scenario, boards: tuple[BoardConfig, ...], task: TaskConfig) -> list[float]:
    """Mean share of an application slot that each node's board needs for its users' requests to further services."""
    from edge_node.tasks.registry import configured_task

    found = [0.0] * len(boards)
    for k, spec in enumerate(scenario.inference.services):
        with scenario.at("inference", "services", k):
            own = service_task(spec, task)
        flop = configured_task(own.name, own.prompt_tokens, own.answer_tokens).serve_flop()
        for i, board in enumerate(boards):
            found[i] += mean_per_s(spec, board, own, 0.0) * flop / board.effective_flop_per_s
    return found


def _busiest_s(
    scenario: Scenario, stages: tuple[Stage, ...], work_s: dict[Stage, list[float]]
) -> list[float]:
    """Seconds of each node's own work in its busiest slot, of the work that a scenario fixes."""
    fixed = [
        work_s[stage]
        for stage in set(stages)
        if stage is not Stage.APPLICATION or scenario.inference.arrivals == "batches"
    ]
    return (
        [max(each) for each in zip(*fixed, strict=True)] if fixed else [0.0] * len(work_s[Stage.DEVELOPMENT])
    )


def _check_meter(scenario: Scenario, board: BoardConfig, slot_s: float) -> None:
    """Refuse a meter that is not known or cannot run here: nodes of every kind of fleet live on this machine."""
    from edge_node.meters.base import MeterError
    from edge_node.meters.registry import probe_meter

    try:
        probe_meter(scenario.fleet.meter, board, slot_s)
    except MeterError as error:
        raise UsageError(str(error)) from error


def _check_sockets(scenario: Scenario) -> None:
    """Refuse a temporary folder in which Ray could not make its sockets."""
    if scenario.fleet.kind == "ray":
        from experiments.fleet.temporary import require_short_folder

        require_short_folder()


def _check_slot(slot_s: float) -> None:
    """The longest slot that a scenario may state holds for the one found from the work as well."""
    if slot_s > YEAR_S:
        raise UsageError(
            f"the work of a slot takes {slot_s / 2:.3g} s on average; lower task.batches_per_slot, task.local_epochs "
            "or task.batch_size"
        )


def _board_at(scenario: Scenario, entry: int) -> tuple[BoardSpec, tuple[str | int, ...]]:
    """Board of an entry of ``nodes``, and where it is written."""
    own = scenario.nodes[entry].board
    return (scenario.board, ("board",)) if own is None else (own, ("nodes", entry, "board"))


def _boards(scenario: Scenario, entries: tuple[int, ...]) -> tuple[tuple[BoardConfig, ...], list[str]]:
    notes: dict[str, None] = {}
    found: dict[int, BoardConfig] = {}
    for entry in dict.fromkeys(entries):
        spec, place = _board_at(scenario, entry)
        with scenario.at(*place):
            board, sources = _board(spec)
        found[entry] = board
        notes.update(dict.fromkeys(f"{board.name}: {name}: {text}" for name, text in sources.items()))
    return tuple(found[entry] for entry in entries), list(notes)


def _board(spec: BoardSpec) -> tuple[BoardConfig, Mapping[str, str]]:
    from edge_node.energy.boards import load_board

    profile = load_board(spec.profile)
    changed = {key: value for key, value in spec.model_dump(exclude={"profile"}).items() if value is not None}
    board = BoardConfig.model_validate({**profile.config().model_dump(), **changed})
    if board.busy_w < board.static_w:
        raise UsageError(
            f"busy_w {board.busy_w} W is below static_w {board.static_w} W; busy includes static"
        )
    if board.sleep_w > board.static_w:
        raise UsageError(f"sleep_w {board.sleep_w} W is above static_w {board.static_w} W")
    return board, {
        **profile.sources(),
        **{key: f"{value}, as the scenario says" for key, value in changed.items()},
    }


def _tasks(scenario: Scenario, nodes: int) -> tuple[TaskConfig, TaskConfig | None, str]:
    from edge_node.tasks.registry import find_task

    spec = scenario.task
    with scenario.at("task", "name"):
        task = find_task(spec.name)
    with scenario.at("task", "data"):
        data = _data_name(task, spec.data)
        dataset = task.dataset(data)
    if spec.batch_size > dataset.num_train:
        with scenario.at("task", "batch_size"):
            raise UsageError(
                f"{spec.batch_size} is more than the {dataset.num_train} training examples of {data}; allowed: "
                f"1 to {dataset.num_train}"
            )
    if nodes > dataset.num_train:
        with scenario.at("nodes"):
            raise UsageError(
                f"{nodes} nodes cannot share {dataset.num_train} examples of {data}; allowed: up to {dataset.num_train}"
            )
    config = TaskConfig(
        name=spec.name,
        data=data,
        batch_size=spec.batch_size,
        batches_per_slot=1 if spec.batches_per_slot == "pass" else spec.batches_per_slot,
        local_epochs=spec.local_epochs,
        learning_rate=spec.learning_rate,
        partition=spec.partition,
        dirichlet_alpha=spec.dirichlet_alpha,
        partitions=nodes,
        partition_index=0,
        seed=scenario.seed,
    )
    recycling = None
    if scenario.stages.recycling:
        with scenario.at("task", "recycling", "data"):
            second = spec.recycling.data or task.recycling_data(data)
            task.dataset(second)
        recycling = config.model_copy(
            update={"data": second, "learning_rate": spec.recycling.learning_rate or spec.learning_rate}
        )
    return config, recycling, dataset.origin


def _data_name(task: Task, name: str) -> str:
    """The data really used: ``auto`` is resolved here, so that the run folder names it."""
    return task.resolve_data(task.default_data if name == "default" else name)


def _development_work(
    scenario: Scenario, task: TaskConfig, boards: tuple[BoardConfig, ...]
) -> tuple[tuple[int, ...], list[float]]:
    """Batches each node releases per development slot, and the seconds its board needs for them."""
    from edge_node.tasks.workload import build_workload

    batches: list[int] = []
    busy_s: list[float] = []
    flop = None
    for i, board in enumerate(boards):
        workload = build_workload(task.model_copy(update={"partition_index": i}))
        if flop is None:
            flop = workload.cost(Stage.DEVELOPMENT).flop_per_batch
        count = (
            workload.num_batches
            if scenario.task.batches_per_slot == "pass"
            else scenario.task.batches_per_slot
        )
        batches.append(count)
        busy_s.append(count * flop / board.effective_flop_per_s)
    return tuple(batches), busy_s


def _check_accounting(scenario: Scenario, zones: tuple[ZoneIntensity, ...], slots: int) -> None:
    """The columns beside the headline are drawn when the run is over; what they lack is said before it starts."""
    spec = scenario.accounting
    names = [zone.zone for zone in zones]
    with scenario.at("accounting", "market_g_per_kwh"):
        if strangers := sorted(set(spec.market_g_per_kwh) - set(names)):
            raise UsageError(
                f"no node is in {', '.join(strangers)}; zones of this scenario: {', '.join(names)}"
            )
    if spec.marginal is None:
        return
    with scenario.at("accounting", "marginal"):
        source = spec.marginal.open()
        step = timedelta(seconds=scenario.time.trace_step_s)
        for name in names:
            require_marginal(source.series(name, scenario.time.start, step, slots), spec.marginal.source)


def require_marginal(series: Any, source: str) -> None:
    """Average and marginal intensity are never mixed. Raises DataError for a series of averages."""
    if series.origin.signal is not Signal.MARGINAL:
        raise DataError(
            f"source {source!r} gives {series.origin.signal} intensity; a marginal one "
            "is needed, since the two are never mixed"
        )


def _battery(scenario: Scenario, spec: BatterySpec, slot_s: float) -> BatteryConfig | None:
    if spec.capacity_wh == 0:
        return None
    step_s = scenario.time.trace_step_s
    scale = slot_s / step_s if scenario.time.scale_storage else 1.0
    return BatteryConfig(
        capacity_j=wh_to_joules(spec.capacity_wh) * scale,
        initial_fraction=spec.initial_fraction,
        charge_efficiency_fraction=spec.charge_efficiency_fraction,
        discharge_efficiency_fraction=spec.discharge_efficiency_fraction,
        # Compounded: as much is left after a day of traces as after a day of real time.
        self_discharge_fraction=1.0
        - (1.0 - spec.self_discharge_fraction_per_day) ** (step_s / SECONDS_PER_DAY),
        charge_limit_w=spec.charge_limit_w,
        discharge_limit_w=spec.discharge_limit_w,
    )


def _body(scenario: Scenario, task: TaskConfig) -> CoordinatorBody:
    from edge_node.tasks.registry import find_task

    with scenario.at("coordinator", "board"):
        board, _ = _board(scenario.coordinator.board)
    joules_per_flop = (board.busy_w - board.static_w) / board.effective_flop_per_s
    return CoordinatorBody(
        zone=coordinator_zone(scenario),
        static_w=board.static_w,
        joules_per_aggregated_parameter=AGGREGATE_FLOP_PER_PARAMETER * joules_per_flop,
        joules_per_evaluated_example=find_task(task.name).flop().forward * joules_per_flop,
        router_w=scenario.network.router_w,
    )


def _assumptions(
    scenario: Scenario, slot_s: float, boards: list[str], network: NetworkFactor
) -> tuple[str, ...]:
    time = scenario.time
    auto = (
        f" (twice the mean busy time of a node in the busiest stage: BUSY_SHARE {BUSY_SHARE:g}; no node is busy for "
        f"more than {WORST_SHARE:g} of it)"
        if time.slot_s == "auto"
        else ""
    )
    storage = (
        f"Battery capacities are multiplied by slot_s / trace_step_s = {slot_s / time.trace_step_s:.3g}: "
        "a battery lasts as many hours of the replayed day as it would in real time."
        if time.scale_storage
        else "Battery capacities are physical; traces are replayed faster, so batteries seem larger than in real time."
    )
    return (
        f"A slot is {slot_s:.4g} s long{auto}; traces advance {time.trace_step_s:g} s per slot. "
        "Energies are physical.",
        storage,
        "Energy transfers are accounted transfers between sites on a common grid; loss on the donor's side "
        f"{scenario.network.export_loss_fraction:g}, on the recipient's {scenario.network.import_loss_fraction:g}.",
        f"Energy in the network per byte: {network.booked_j_per_byte:g} J ({network.source}); drawn between "
        f"{network.low_j_per_byte:g} and {network.high_j_per_byte:g} J in the intervals. Decisions were made under the "
        "booked figure.",
        "Scope 2, location-based, average intensity; harvested energy counts zero.",
        "Offloading sends raw batches from owner to executor: this gives up the privacy premise of federated learning.",
        *(
            f"Service {service.label}: {service.task} answers with an untrained model, drawn from the seed on every "
            "node: it decodes real tokens at the cost of a trained one, and what it says means nothing."
            for service in scenario.inference.services
        ),
        *boards,
    )
