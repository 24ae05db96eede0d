"""Where nodes compute: devices of this machine, checked before a run starts."""

from __future__ import annotations

from collections import Counter

from edge_node.config import Device, InferenceConfig
from edge_node.tasks.none import WITHOUT_TASK
from experiments.errors import UsageError
from experiments.scenario.model import GPU_METER, Scenario
from experiments.scenario.names import node_name
from experiments.wording import few

CPU = "cpu"
SHOWN = 5
"""Nodes that a refusal names."""


def check_devices(scenario: Scenario, entries: tuple[int, ...]) -> None:
    """Refuse devices that are not here, where the nodes live on this machine. Raises UsageError."""
    chosen = [scenario.nodes[entry].device or scenario.task.device for entry in entries]
    if set(chosen) == {CPU}:
        return
    if scenario.task.name in WITHOUT_TASK:
        with scenario.at("task", "device"):
            raise UsageError(
                f"device is where tasks are trained, and task {scenario.task.name} trains none of ours: leave it out"
            )
    if scenario.fleet.kind == "virtual" and len(set(chosen)) > 1:
        with scenario.at("nodes"):
            raise UsageError(
                f'nodes of kind = "virtual" train on one device, got {" and ".join(sorted(set(chosen)))}: give '
                "task.device alone"
            )
    if scenario.fleet.address is not None or scenario.fleet.kind == "daemons":
        return  # each node's own process looks
    # It imports torch, which a scenario without devices and without a task does not need.
    from edge_node.tasks.device import DeviceError, find_device

    for device in dict.fromkeys(chosen):
        own = [k for k, name in enumerate(chosen) if name == device]
        place = (
            ("nodes", entries[own[0]], "device")
            if scenario.nodes[entries[own[0]]].device
            else ("task", "device")
        )
        try:
            find_device(device)
        except DeviceError as error:
            names = [node_name(k, len(entries)) for k in own]
            with scenario.at(*place):
                raise UsageError(f"{few(names, SHOWN)}: {error}") from error
    _refuse_shared_counter(scenario, entries)


def _refuse_shared_counter(scenario: Scenario, entries: tuple[int, ...]) -> None:
    """A GPU has one counter, which says nothing about whose work it was. Raises UsageError."""
    meters = [scenario.nodes[entry].meter or scenario.fleet.meter for entry in entries]
    for meter, count in Counter(each for each in meters if each.partition(":")[0] == GPU_METER).items():
        if count > 1:
            names = [node_name(k, len(entries)) for k, each in enumerate(meters) if each == meter]
            with scenario.at("nodes"):
                raise UsageError(
                    f"{few(names, SHOWN)} would all read the counter of one GPU ({meter}), and its joules would "
                    'be booked for each of them: give meter = "modelled", or device = "cuda" to one node alone'
                )


def served_on(inference: InferenceConfig, device: Device) -> InferenceConfig:
    """Services of a node on its device."""
    if device == CPU or not inference.services:
        return inference
    services = tuple(
        service.model_copy(update={"task": service.task.model_copy(update={"device": device})})
        for service in inference.services
    )
    return inference.model_copy(update={"services": services})


def described(devices: tuple[Device, ...]) -> str:
    """Number of nodes by device."""
    return ", ".join(
        f"{device} at {count} of {len(devices)} nodes" for device, count in Counter(devices).items()
    )
