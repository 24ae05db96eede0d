"""The recipes of CONTRIBUTING.md ("Extension points"), followed to the letter in a copy of the source.

Each adds the files and the lines that its recipe names, and no more; one process then uses what was added.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.docs.blocks import ROOT, blocks_of

pytestmark = pytest.mark.processes
PACKAGES = ("carbon_data", "protos", "coordinator", "edge_node", "experiments", "detabed")
RECIPES = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Extension points")[2]

SENSOR = '''"""A file that some program keeps: watts as text."""

from pathlib import Path

from edge_node.meters.sources.source import Source, SourceError
from protos.messages.terms import MeterKind


class WattFile:
    kind = MeterKind.POWER
    rate_hz = 10.0
    resolution = 1_000

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> int:
        try:
            return round(float(self._path.read_text()) * 1e6)
        except (OSError, ValueError) as error:
            raise SourceError(f"{self._path} cannot be read: {error}") from error

    def close(self) -> None:
        pass


def open_watt_file(argument: str) -> Source:
    return WattFile(Path(argument))
'''
SERVICE = '''"""A service of our laboratory."""

from carbon_data.live.uk_carbon_intensity import LiveUkCarbonIntensity


class LiveLab(LiveUkCarbonIntensity):
    """The same interface at another address."""
'''
TASK = '''"""A wider perceptron."""

from edge_node.tasks.mnist_mlp import Mlp, MnistMlp


class WideMlp(MnistMlp):
    """Handwritten digits with 300 hidden units."""

    name = "wide-mlp"

    def model(self) -> Mlp:
        return Mlp(hidden=300)
'''
SCENARIO = """# Claim:   none; a small one.
# Cost:    seconds.
# Command: detabed run ours
name = "ours"
[[nodes]]
zone = "FR"
[nodes.board]
profile = "lab-mini"
"""
STUDY = '''"""A study of ours."""


def reproduce_ours(folder, full, console):
    """Its figures."""
    check = {"verdict": "met", "statement": "It runs.", "ours": "yes"}
    return {"checks": {"it-runs": check}, "run": str(folder)}
'''
USE = """
import contextlib, io, json
from datetime import UTC, datetime
from pathlib import Path

from carbon_data.live.keys import Keys
from carbon_data.live.service import Asked
from carbon_data.live.services import open_service
from carbon_data.sources.conformance import harvest_violations, intensity_violations
from carbon_data.sources.registry import harvest_source, intensity_source
from edge_node.energy.boards import load_board
from edge_node.meters.conformance import check
from edge_node.meters.registry import build_meter
from edge_node.meters.sources.registry import open_source
from edge_node.tasks.registry import find_task
from experiments.cli import invoke
from protos.codec import decode_up, encode_up
from protos.messages.stream import Heartbeat

def said(words):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        code = invoke([*words, "--json"])
    return [code, json.loads(out.getvalue())]

start, board = datetime(2026, 11, 28, tzinfo=UTC), load_board("raspberry-pi-4b").config()
Path("watts").write_text("4.5")
check(lambda: build_meter("lab-counter", board, 1.0))
wide = find_task("wide-mlp")
beat = Heartbeat(node_id="n0", boot_id="b", seq=1, monotonic_ns=2, queue_batches=3)
found = {
    "policy": said(["policy", "check", "greenest"]),
    "intensity": intensity_violations(intensity_source("lab-grid", night=120.0, day=380.0), start),
    "harvest": harvest_violations(harvest_source("turbine", peak_w=40.0), start),
    "service": open_service("lab", Asked("GB"), Keys()).polls,
    "sensor": open_source("watt-file:watts").read(),
    "task": [wide.name, sum(each.size for each in wide.initial_parameters(0).values())],
    "lists": {what: sorted(said(["list", what])[1][what]) for what in
              ("policies", "sources", "harvests", "live", "meters", "tasks", "boards", "scenarios", "studies")},
    "message": decode_up(encode_up(beat)) == beat,
    "scenario": said(["check", "ours"])[0],
    "study": said(["reproduce", "ours"]),
}
print(json.dumps(found))
"""


def add_line(path: Path, after: str, line: str) -> None:
    """One line behind the one that contains ``after``."""
    text = path.read_text(encoding="utf-8")
    assert text.count(after) == 1, (path, after)
    path.write_text(text.replace(after, f"{after}{line}"), encoding="utf-8")


def page_file(page: str, name: str) -> str:
    (code,) = [block.code for block in blocks_of(page) if block.file == name]
    return code


def follow_all(copy: Path) -> None:
    """Every recipe."""

    def new(path: str, text: str) -> None:
        assert not (copy / path).exists()
        (copy / path).parent.mkdir(exist_ok=True)
        (copy / path).write_text(text, encoding="utf-8")

    new("coordinator/policies/greenest.py", page_file("docs/own-policy.md", "mylab/greenest.py"))
    add_line(
        copy / "coordinator/policies/registry.py",
        '"time-shift": "coordinator.policies.time_shift:TimeShift",\n',
        '    "greenest": "coordinator.policies.greenest:Greenest",\n',
    )
    new("carbon_data/sources/lab_grid.py", page_file("docs/own-source.md", "lab_grid.py"))
    registry = copy / "carbon_data/sources/registry.py"
    add_line(registry, '    "profiles": PackagedProfiles,\n', '    "lab-grid": LabGrid,\n')
    add_line(registry, '    "pv": pv_harvest,\n', '    "turbine": Turbine,\n')
    add_line(
        registry,
        "from carbon_data.sources.harvest_trace import HarvestTrace, eia_2022\n",
        "from carbon_data.sources.lab_grid import LabGrid, Turbine\n",
    )
    new("carbon_data/live/lab.py", SERVICE)
    services = copy / "carbon_data/live/services.py"
    add_line(services, '    "watttime": LiveWattTime,\n', '    "lab": LiveLab,\n')
    add_line(
        services, "from carbon_data.live.keys import Keys\n", "from carbon_data.live.lab import LiveLab\n"
    )
    new("edge_node/meters/lab_meter.py", page_file("docs/own-meter.md", "lab_meter.py"))
    meters = copy / "edge_node/meters/registry.py"
    add_line(meters, '    "replay": ReplayMeter,\n', '    "lab-counter": Counter,\n')
    add_line(
        meters,
        "from edge_node.meters.cpu_time import CpuTimeMeter, ProcessCpuTimeMeter\n",
        "from edge_node.meters.lab_meter import Counter\n",
    )
    new("edge_node/meters/sources/watt_file.py", SENSOR)
    sources = copy / "edge_node/meters/sources/registry.py"
    add_line(sources, '    "recording": open_recording,\n', '    "watt-file": open_watt_file,\n')
    add_line(
        sources,
        "from edge_node.meters.sources.um25c import open_um25c\n",
        "from edge_node.meters.sources.watt_file import open_watt_file\n",
    )
    new("edge_node/tasks/wide_mlp.py", TASK)
    add_line(
        copy / "edge_node/tasks/registry.py",
        '    "tiny-gpt": "edge_node.tasks.tiny_gpt:TinyGptTask",\n',
        '    "wide-mlp": "edge_node.tasks.wide_mlp:WideMlp",\n',
    )
    new("edge_node/energy/boards/lab_mini.toml", page_file("docs/own-board.md", "mini.toml"))
    new("experiments/scenarios/ours.toml", SCENARIO)
    new("experiments/studies/ours/__init__.py", "")
    new("experiments/studies/ours/study.py", STUDY)
    add_line(
        copy / "experiments/studies/registry.py",
        "STUDIES: dict[str, tuple[str, str]] = {\n",
        '    "ours": ("ours.study:reproduce_ours", "A study of ours."),\n',
    )
    proto = copy / "protos/testbed.proto"
    text = proto.read_text(encoding="utf-8")
    grown, count = re.subn(r"(message Heartbeat \{[^}]*)\}", r"\1  int64 queue_batches = 7;\n}", text)
    assert count == 1
    proto.write_text(grown, encoding="utf-8")
    add_line(
        copy / "protos/messages/stream.py",
        "    boot_id: str\n    seq: int\n    monotonic_ns: int\n",
        "    queue_batches: int = 0\n",
    )


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    copy = tmp_path_factory.mktemp("source")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    follow_all(copy)
    environ = {**os.environ, "PYTHONPATH": str(copy)}
    for words in (["-m", "protos.generate"], ["-c", USE]):
        done = subprocess.run(
            [sys.executable, *words], cwd=copy, env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{words[:2]}: {done.stderr}"
    return json.loads(done.stdout.splitlines()[-1])


def test_a_policy(used: dict[str, Any]) -> None:
    code, said = used["policy"]
    assert (code, said["violations"]) == (0, [])
    assert "greenest" in used["lists"]["policies"]


def test_sources(used: dict[str, Any]) -> None:
    assert (used["intensity"], used["harvest"]) == ([], [])
    assert "lab-grid" in used["lists"]["sources"]
    assert "turbine" in used["lists"]["harvests"]


def test_a_live_service(used: dict[str, Any]) -> None:
    assert used["service"].endswith("/intensity/FROM/TO")
    assert "lab" in used["lists"]["live"]


def test_a_meter_and_a_sensor(used: dict[str, Any]) -> None:
    assert {"lab-counter", "watt-file"} <= set(used["lists"]["meters"])
    assert used["sensor"] == 4_500_000


def test_a_task(used: dict[str, Any]) -> None:
    assert used["task"] == ["wide-mlp", 784 * 300 + 300 + 300 * 10 + 10]
    assert "wide-mlp" in used["lists"]["tasks"]


def test_a_board_and_a_scenario(used: dict[str, Any]) -> None:
    assert "lab-mini" in used["lists"]["boards"]
    assert "ours" in used["lists"]["scenarios"]
    assert used["scenario"] == 0


def test_a_message(used: dict[str, Any]) -> None:
    assert used["message"] is True


def test_a_study(used: dict[str, Any]) -> None:
    code, said = used["study"]
    assert code == 0
    assert said["checks"]["it-runs"]["verdict"] == "met"
    assert "ours" in used["lists"]["studies"]


def test_every_recipe_is_followed() -> None:
    """A new recipe needs a test here."""
    assert re.findall(r"^- \*\*(.*?)\*\*", RECIPES, re.MULTILINE) == [
        "A policy", "A carbon or harvest source", "A live service", "A meter", "A task", "A board", "A message",
        "An experiment",
    ]  # fmt: skip
