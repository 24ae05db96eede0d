"""A scenario with its data: what a run executes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from coordinator.config import CoordinatorBody, CoordinatorConfig, LimitsConfig, LiveConfig, ZoneIntensity
from edge_node.config import (
    BatteryConfig,
    BoardConfig,
    DemandConfig,
    Device,
    HarvestConfig,
    InferenceConfig,
    LanguageConfig,
    NodeConfig,
    TaskConfig,
)
from edge_node.tasks.parts.served import at_node
from experiments.resolve.app import FoundApp, measured_rounds
from experiments.resolve.bounds import node_bounds
from experiments.resolve.chosen_policy import (
    chosen_traits,
    day_slots,
    horizon_slots,
    known_slots,
    needs_truth,
    policy_settings,
)
from experiments.resolve.conversing import coordinator_turns, nobody_to_follow, uncalibrated
from experiments.resolve.devices import served_on
from experiments.resolve.in_flight import payloads
from experiments.resolve.listen import open_listeners
from experiments.resolve.live import live_config, polled
from experiments.resolve.made import BOARDS_KEY, FACTORS_KEY
from experiments.resolve.network_factor import NetworkFactor
from experiments.resolve.nobody_asks import nobody_asks
from experiments.resolve.sleep import nobody_sleeps, node_sleep
from experiments.resolve.traces import (
    no_harvest,
    persistence_slots,
)
from experiments.scenario.model import Scenario
from experiments.scenario.names import node_name
from experiments.scenario.places import NodeSpec
from experiments.scenario.work import TaskSpec
from protos.access.config import Access
from protos.messages.terms import Overrun, Stage

if TYPE_CHECKING:
    from pathlib import Path


LANGUAGE_DEADLINE_S = 3600.0
"""See ``Resolved.round_deadline_s`` (choice)."""


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
    """Of a development slot; of a language model and without learning, of the fullest."""
    demands: tuple[DemandConfig | None, ...]
    """Where nothing is learned: every node's work; else None for each."""
    inference: tuple[InferenceConfig, ...]
    data_used: str
    data_origin: str
    origins: dict[str, dict[str, Any]]
    assumptions: tuple[str, ...]
    made: Mapping[str, Any] = field(default_factory=dict)
    """What is known of making its boards, and the scenario's own factors, for the run's metadata
    (experiments.resolve.made)."""
    app: FoundApp | None = None
    """A user's Flower app; its rounds are then the demands."""
    languages: tuple[LanguageConfig | None, ...] = ()
    """Of every node, the language model that it serves; None where there is none."""
    planned_requests: int | None = None
    """To a language model in the run, at all nodes; None where none is served."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings about a valid scenario that may be a mistake."""
        step_s = self.scenario.time.trace_step_s
        stand_ins = tuple(
            dict.fromkeys(text for origin in self.origins.values() if (text := origin["stand_in"]))
        )
        found = (
            *stand_ins,
            *open_listeners(self.scenario),
            *nobody_sleeps(self.scenario, self.node_ids, self.boards),
            *measured_rounds(self.scenario, self.meters),
            *uncalibrated(self.scenario),
            *nobody_to_follow(self.scenario),
            *nobody_asks(self.scenario, self.inference, self.stages, self.slot_s),
            *payloads(self),
        )
        if self.slot_s <= step_s:
            return found
        return (
            *found,
            f"a slot of {self.slot_s:.4g} s is longer than the {step_s:g} s that the traces advance in it: each slot's "
            f"joules count at the intensity of its first {step_s:g} s; raise time.trace_step_s, or lower the work of a "
            "slot",
        )

    @property
    def net_j_per_byte(self) -> float:
        """eps_net as booked and as decisions are made under it."""
        return self.network.booked_j_per_byte

    @property
    def overrun(self) -> Overrun | None:
        """What becomes of slots that take longer, on the wall clock; None on the virtual one."""
        time = self.scenario.time
        return Overrun(time.overrun) if time.clock == "wall" else None

    @cached_property
    def node_ids(self) -> tuple[str, ...]:
        return tuple(node_name(i, len(self.node_specs)) for i in range(len(self.node_specs)))

    @cached_property
    def profiles(self) -> tuple[str, ...]:
        """Board profile of every node."""
        return tuple((spec.board or self.scenario.board).profile for spec in self.node_specs)

    @cached_property
    def measured_batteries(self) -> tuple[str, ...]:
        """Nodes whose batteries have a gauge; none under a policy without batteries."""
        pairs = zip(self.node_ids, self.node_specs, strict=True)
        return tuple(node for node, spec in pairs if spec.battery_meter and self.with_harvest)

    @cached_property
    def meters(self) -> tuple[str, ...]:
        """Of every node."""
        return tuple(spec.meter or self.scenario.fleet.meter for spec in self.node_specs)

    @cached_property
    def devices(self) -> tuple[Device, ...]:
        """Of every node."""
        return tuple(spec.device or self.scenario.task.device for spec in self.node_specs)

    def node_configs(
        self, run_id: str, coordinator_address: str, *, with_harvest: bool
    ) -> tuple[NodeConfig, ...]:
        """Configuration of every node; GRID takes harvest and battery away, physically."""
        scenario, known_slots = self.scenario, self.known_slots
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
                    overrun=self.overrun,
                    stages=self.stages,
                    deadline_slots=scenario.limits.deadline_slots,
                    horizon_slots=known_slots,
                    board=self.boards[i],
                    battery=self.batteries[i] if with_harvest else None,
                    export_loss_fraction=scenario.network.export_loss_fraction,
                    import_loss_fraction=scenario.network.import_loss_fraction,
                    harvest=harvest,
                    task=self._task_at(i, self.task),
                    recycling_task=None if self.recycling is None else self._task_at(i, self.recycling),
                    inference=served_on(self.inference[i], self.devices[i]),
                    demand=self.demands[i],
                    app=None if self.app is None else self.app.nodes,
                    language=self.languages[i] if self.languages else None,
                    meter=self.meters[i],
                    harvest_meter=(spec.harvest_meter or "") if with_harvest else "",
                    battery_meter=(spec.battery_meter or "") if with_harvest else "",
                    sleep=node_sleep(scenario, spec),
                    coordinator_address=coordinator_address,
                    peer_host=scenario.coordinator.host,
                )
            )
        return tuple(configs)

    def _task_at(self, i: int, task: TaskConfig) -> TaskConfig:
        """A task at node ``i``."""
        return at_node(task, i, self.batches_per_node).model_copy(update={"device": self.devices[i]})

    def coordinator_config(self, run_id: str, ledger_path: Path) -> CoordinatorConfig:
        scenario = self.scenario
        return CoordinatorConfig(
            run_id=run_id,
            ledger_path=ledger_path,
            policy=scenario.policy,
            policy_options=policy_settings(scenario),
            seed=scenario.seed,
            slot_s=self.slot_s,
            overrun=self.overrun,
            stages=self.stages,
            node_ids=self.node_ids,
            zones=self.zones,
            live=self.live,
            horizon_slots=self.horizon_slots,
            known_slots=self.known_slots,
            day_slots=day_slots(scenario),
            forecast_known_slots=persistence_slots(scenario),
            harvest_spread_fraction=scenario.forecast.harvest_spread,
            foresight=self.foresight,
            limits=LimitsConfig(net_j_per_byte=self.net_j_per_byte, **self._limits),
            request_deadline_slots=None
            if (target_s := scenario.inference.strictest_target_s) is None
            else int(target_s // self.slot_s),
            bounds=node_bounds(self),
            measured_batteries=self.measured_batteries,
            plausible_power_times=scenario.tolerance.plausible_power_times,
            plausible_harvest_times=scenario.tolerance.plausible_harvest_times,
            turns=coordinator_turns(self),
            body=self.body,
            tree_alpha_bits_per_token=scenario.tree.alpha_bits_per_token,
            host=scenario.coordinator.host,
            port=scenario.coordinator.port,
            access=Access(insecure=scenario.coordinator.insecure),
            heartbeat_s=scenario.coordinator.heartbeat_s,
            lease_s=scenario.coordinator.lease_s,
        )

    @cached_property
    def live(self) -> LiveConfig | None:
        """What the coordinator polls; None where nothing is live."""
        return live_config(self.scenario, [zone.zone for zone in self.zones])

    @property
    def polled(self) -> dict[str, str]:
        """What the coordinator would poll, in words, by signal."""
        return polled(self.live)

    @property
    def _limits(self) -> dict[str, Any]:
        """Nobody moves a round of a user's app."""
        never = {} if self.app is None else {"offload_cap_fraction": 0.0}
        return {**self.scenario.limits.model_dump(), **never}

    @property
    def training(self) -> dict[str, Any]:
        """The kind of training, and where the model is divided."""
        found = {"kind": self.scenario.training.kind}
        return found if self.task.parts is None else self.task.parts.model_dump(exclude={"served_batches"})

    @property
    def learns_nothing(self) -> bool:
        """Whether work is counted and not executed."""
        return self.demands[0] is not None

    @property
    def language(self) -> LanguageConfig | None:
        """The language model that is served in place of a task; None where there is none."""
        return self.languages[0] if self.languages else None

    @property
    def round_deadline_s(self) -> float:
        """Wall seconds after which a slot goes on without nodes that have not answered. Where a language model is
        served and the scenario leaves the key out, an hour: answers take as long as they take."""
        given = self.scenario.task.round_deadline_s
        default = TaskSpec.model_fields["round_deadline_s"].default
        return LANGUAGE_DEADLINE_S if self.language is not None and given == default else given

    @property
    def learns(self) -> bool:
        """Whether a model is trained, or one of the run's own making served."""
        return not self.learns_nothing and self.language is None

    @cached_property
    def with_harvest(self) -> bool:
        """Whether the policy uses harvest at all (GRID does not)."""
        return chosen_traits(self.scenario).uses_harvest

    @property
    def foresight(self) -> bool:
        """Whether the policy gets true future values to the end of the run (the oracle does)."""
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
            "training": self.training,
            "data_used": self.data_used,
            "services": [service.label for service in scenario.inference.services],
            "batches_per_node_and_slot": sorted(set(self.batches_per_node)),
            "requests": self.planned_requests,
            "boards": self.made.get(BOARDS_KEY, {}),
            "own_factors": self.made.get(FACTORS_KEY, {}),
            "harvest_peak_w": [max(harvest.power_w) for harvest in self.harvests],
            "battery_capacity_j": [battery.capacity_j if battery else 0.0 for battery in self.batteries],
            "live": [signal.model_dump() for signal in (() if self.live is None else self.live.signals)],
            "warnings": list(self.warnings),
        }
