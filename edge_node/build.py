"""A node from its configuration: workloads, meter and outbox put together."""

from __future__ import annotations

from typing import Any

from carbon_data.types import DataError
from carbon_data.units import to_micro
from edge_node.actuators.actuator import ActuatorError
from edge_node.actuators.build import build_actuator
from edge_node.actuators.clock_speed import ClockSpeed
from edge_node.actuators.sleeper import Sleeper
from edge_node.config import LanguageConfig, NodeConfig, TaskConfig
from edge_node.language.node_server import NodeServer
from edge_node.language.server import ServerError
from edge_node.language.work import LanguageWorkload
from edge_node.meters.base import Meter, sensor_of
from edge_node.meters.charge import Charge
from edge_node.meters.measured_harvest import MeasuredHarvest
from edge_node.meters.pieces import Pieces
from edge_node.meters.registry import build_meter
from edge_node.serving.answers import TaskAnswers
from edge_node.slots.node import EdgeNode
from edge_node.slots.outbox import Outbox
from edge_node.tasks.build import build_workload
from edge_node.tasks.device import DeviceError
from edge_node.tasks.none import CountedWorkload
from edge_node.tasks.workload import TaskWorkload, untrained_parameters
from protos.messages.terms import Stage


def build_node(config: NodeConfig, outbox: Outbox | None = None, *, starts: bool = True) -> EdgeNode:
    """A node with its task's workloads, the services beside it, and its meter.

    ``starts``: whether a language model's server is started at once, and not with the first request.

    Raises:
        ValueError: the task, its sizes or its data do not fit.
        DataError: data files lack.
        MeterError: the meter is unknown or cannot run here.
        ActuatorError: the board cannot be put to sleep and woken as configured, or its clock cannot be set.
    """
    if config.language is not None:
        return _language_node(config, config.language, outbox, starts)
    meter = build_meter(config.meter, config.board, config.slot_s, wall=config.overrun is not None)
    if config.demand is not None:
        counted = {Stage.DEVELOPMENT: CountedWorkload(config.demand)}
        return EdgeNode(config, counted, meter, outbox, sleeper=_sleeper(config, meter), **_measured(config))
    try:
        task = build_workload(config.task, config.inference)
    except DeviceError as error:
        raise DeviceError(f"{config.node_id}: {error}") from error
    own = (Stage.PREPARATION, Stage.DEVELOPMENT, Stage.APPLICATION)
    workloads: dict[Stage, TaskWorkload] = dict.fromkeys(own, task)
    if config.recycling_task is not None:
        workloads[Stage.RECYCLING] = build_workload(config.recycling_task, config.inference)
    elif Stage.RECYCLING in config.stages:
        workloads[Stage.RECYCLING] = task
    serving = config.inference.services if Stage.APPLICATION in config.stages else ()
    services = [
        (
            build_workload(
                service.task,
                config.inference.model_copy(update={"requests_per_batch": service.requests_per_batch}),
            ),
            untrained_parameters(service.task.name, config.seed),
        )
        for service in serving
    ]
    answers = None if has_own_model(config.task) else TaskAnswers(config.task.name, config.task.device)
    sleeper = _sleeper(config, meter)
    return EdgeNode(config, workloads, meter, outbox, answers, services, sleeper, **_measured(config))


def has_own_model(task: TaskConfig) -> bool:
    """Whether the node serves a model that the coordinator does not have."""
    personal = task.personal
    return personal is not None and (bool(personal.home) or personal.pull is not None)


def _language_node(
    config: NodeConfig, language: LanguageConfig, outbox: Outbox | None, starts: bool
) -> EdgeNode:
    """A node that serves a language model. Its meter counts the server's CPU time too."""
    server = NodeServer(config.node_id, language)
    meter = build_meter(
        config.meter, config.board, config.slot_s, wall=config.overrun is not None, beside_cpu_s=server.cpu_s
    )
    workload = LanguageWorkload(
        language,
        config.inference.requests_per_batch,
        (config.seed, config.index),
        server,
        Pieces(meter, config.board),
    )
    try:
        if starts:
            server.corpus()  # it answers, and later batches need no server
        return EdgeNode(
            config,
            {Stage.APPLICATION: workload},
            meter,
            outbox,
            sleeper=_sleeper(config, meter),
            ended=server.stop,
            **_measured(config),
        )
    except ServerError as error:
        server.stop()
        raise DataError(f"{config.node_id}: {error}") from error
    except BaseException:
        server.stop()
        raise


def _measured(config: NodeConfig) -> dict[str, Any]:
    """The board's clock and sensors of panel and battery, where there are any. Raises ActuatorError and MeterError."""
    found: dict[str, Any] = {"clock": _clock(config)}
    if config.battery_meter:
        capacity_j = 0.0 if config.battery is None else config.battery.capacity_j
        found["charge"] = Charge(config.battery_meter, to_micro(capacity_j))
    if config.harvest_meter:
        found["harvest"] = MeasuredHarvest(config.harvest, config.slot_s, config.harvest_meter)
    return found


def _clock(config: NodeConfig) -> ClockSpeed | None:
    """The board's clock, where slots are real and it has operating points to choose from. Raises ActuatorError."""
    if config.overrun is None or not config.board.points:
        return None
    try:
        return ClockSpeed([point.frequency_khz for point in config.board.points])
    except ActuatorError as error:
        raise ActuatorError(f"{config.node_id}: {error}") from error


def _sleeper(config: NodeConfig, meter: Meter) -> Sleeper | None:
    """The board, awake; None where nothing is switched. Raises ActuatorError."""
    if config.sleep is None or not config.sleep.kind.real:
        return None
    sleeper = Sleeper(build_actuator(config.sleep, config.node_id), sensor_of(meter))
    try:
        sleeper.start()
    except ActuatorError as error:
        raise ActuatorError(f"{config.node_id}: {error}") from error
    return sleeper
