"""Where nodes compute: devices of this machine, checked before a run starts."""

from __future__ import annotations

import pytest

from edge_node.tasks import device
from experiments.errors import UsageError
from experiments.resolve import resolve as resolving
from experiments.resolve.devices import check_devices
from experiments.resolve.resolve import resolve
from experiments.scenario.model import Scenario, parse_scenario

NODES = """name = "d"
[stages]
preparation = 0
development = 1
application = 1
recycling = 0
[task]
batch_size = 100
{task}
[fleet]
{fleet}
[[inference.services]]
load_fraction = 0.1
[[nodes]]
zone = "PL"
count = 2
[[nodes]]
zone = "DE"
{node}
"""


def scenario(task: str = "", node: str = "", fleet: str = 'kind = "inprocess"') -> Scenario:
    return parse_scenario(NODES.format(task=task, node=node, fleet=fleet))


def meters(found: Scenario) -> list[str | None]:
    return [node.meter for node in found.nodes]


def test_nodes_on_a_gpu_are_metered_by_it_unless_a_meter_is_given() -> None:
    assert meters(scenario()) == [None, None]
    assert meters(scenario('device = "cuda"')) == ["nvml", "nvml"]
    assert meters(scenario('device = "cuda"', 'device = "cpu"')) == ["nvml", None]
    assert meters(scenario(node='device = "cuda"\nmeter = "nvml:1"')) == [None, "nvml:1"]
    assert meters(scenario('device = "cuda"', fleet='kind = "inprocess"\nmeter = "modelled"')) == [None, None]
    assert meters(scenario('device = "cuda"', fleet='kind = "virtual"')) == [None, None]
    assert meters(scenario('device = "auto"')) == [None, None]


def test_a_device_that_is_not_here_is_refused_with_the_nodes_and_what_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(device, "available", lambda: ("cpu",))
    with pytest.raises(
        UsageError, match=r'scenario:9: task.device: n0, n1 and n2: device "cuda" is not here: .*here is cpu'
    ):
        resolve(scenario('device = "cuda"'))
    with pytest.raises(
        UsageError, match=r"nodes.1.device: n2: device .mps. is not here: torch sees no Apple GPU"
    ):
        resolve(scenario(node='device = "mps"'))
    app = parse_scenario(
        '[task]\nclient_app = "a:b"\nserver_app = "a:c"\ndevice = "auto"\n[[nodes]]\nzone = "PL"'
    )
    with pytest.raises(
        UsageError, match="device is where tasks are trained, and task flower-app trains none"
    ):
        check_devices(app, (0,))
    virtual = NODES.replace("application = 1", "application = 0").replace(
        "[[inference.services]]\nload_fraction = 0.1", ""
    )
    text = virtual.format(task="", node='device = "cuda"', fleet='kind = "virtual"')
    with pytest.raises(UsageError, match="train on one device, got cpu and cuda"):
        resolve(parse_scenario(text))


def test_one_counter_is_not_booked_for_two_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "available", lambda: ("cuda", "cpu"))
    monkeypatch.setattr(resolving, "check_meters", lambda *_: None)
    with pytest.raises(UsageError, match=r"n0, n1 and n2 would all read the counter of one GPU \(nvml\)"):
        resolve(scenario('device = "cuda"'))
    found = resolve(scenario(node='device = "cuda"'))
    assert found.devices == ("cpu", "cpu", "cuda")
    configs = found.node_configs("r", "here:1", with_harvest=True)
    assert [config.task.device for config in configs] == ["cpu", "cpu", "cuda"]
    assert [config.inference.services[0].task.device for config in configs] == ["cpu", "cpu", "cuda"]
    assert [config.meter for config in configs] == ["modelled", "modelled", "nvml"]
    assert found.task.device == "cpu"  # the runner's own
