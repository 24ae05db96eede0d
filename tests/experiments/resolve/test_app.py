"""A scenario with a Flower app: what is resolved of it, and what is refused, with key and way out."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from experiments.errors import UsageError
from experiments.resolve.resolve import resolve
from experiments.scenario.model import parse_scenario

PLAIN = Path(__file__).parents[2] / "apps" / "plain"
BASE = """policy = "{policy}"
[task]
app = "{app}"
{task}
[fleet]
kind = "{kind}"
{more}
[[nodes]]
zone = "US-NW-SCL"
count = 3
"""


def scenario(policy="local", app=PLAIN, task="", kind="inprocess", more=""):
    return parse_scenario(BASE.format(policy=policy, app=app, task=task, kind=kind, more=more))


def test_rounds_of_the_project_are_slots_and_each_is_a_batch() -> None:
    found = resolve(
        scenario(task="run_config = { num-server-rounds = 2 }", more="[limits]\ndeadline_slots = 1")
    )
    assert len(found.stages) == 4
    assert found.app is not None
    assert found.app.nodes.run_config == {
        "num-server-rounds": 2,
        "learning-rate": 0.1,
        "fraction-train": 1.0,
        "central": False,
    }
    assert found.task.name == "flower-app"
    (config, *_) = found.node_configs("run", "", with_harvest=True)
    assert config.demand is not None
    assert config.demand.batches == (1, 0, 1, 0)
    assert config.app is not None
    assert config.app.partitions == 3
    assert any("not the same in a second run" in warning for warning in found.warnings)


def test_declared_costs_repeat_and_nobody_moves_a_round(tmp_path: Path) -> None:
    found = resolve(
        scenario(
            policy="deta",
            task="round_flop = 1e12\nevaluate_flop = 0.0",
            more="[limits]\noffload_cap_fraction = 0.0",
        )
    )
    assert not any("second run" in warning for warning in found.warnings)
    config = found.coordinator_config("run", tmp_path / "ledger.sqlite")
    assert config.limits.offload_cap_fraction == 0.0


def test_a_project_that_travels_to_boards_has_a_hash_and_what_flower_does_not_bundle_is_refused(
    tmp_path: Path,
) -> None:
    on_boards = {"kind": "daemons", "more": 'cluster = "boards.toml"'}
    found = resolve(scenario(**on_boards)).app
    assert found is not None
    assert len(found.nodes.sha256) == 64
    assert resolve(scenario()).app.nodes.sha256 == ""
    project = tmp_path / "app"
    shutil.copytree(PLAIN, project)
    written = project / "pyproject.toml"
    excluding = written.read_text().replace(
        "[tool.flwr.app]", '[tool.flwr.app]\nfab-exclude = ["no-such-file"]'
    )
    written.write_text(excluding)
    with pytest.raises(UsageError, match=r"task\.app.*cannot be sent to boards: .*no-such-file"):
        resolve(scenario(app=project, **on_boards))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"policy": "deta"}, "deta moves batches.*takes none of others.*offload_cap_fraction = 0.*as a task"),
        ({"policy": "dat"}, "dat moves batches"),
        ({"app": "/nowhere"}, r"task\.app.*no Flower app.*flwr new"),
        ({"task": "run_config = { nothing = 1 }"}, r"task\.run_config.*'nothing'"),
        ({"app": "REFERENCE"}, r'task\.app.*"plain_app" is no package\.module:name'),
        ({"task": "batch_size = 4"}, "batch_size has no effect with a Flower app"),
        ({"task": "round_s = 1.0\nround_flop = 1e9"}, "keep one"),
        ({"more": '[time]\nclock = "wall"\nslot_s = 1.0'}, "a Flower app runs on the virtual clock"),
        ({"kind": "virtual"}, "rows and run no app"),
        ({"more": "[stages]\napplication = 2"}, "remove application"),
        (
            {"more": "[stages]\ndevelopment = 3\n[limits]\ndeadline_slots = 1"},
            "a round lasts 2 slots",
        ),
    ],
)
def test_what_an_app_cannot_do_is_refused_with_the_way_out(given, said, tmp_path: Path) -> None:
    if given.get("app") == "REFERENCE":
        given = {"app": tmp_path / "app"}
        shutil.copytree(PLAIN, given["app"])
        written = given["app"] / "pyproject.toml"
        written.write_text(written.read_text().replace("plain_app.client_app:app", "plain_app"))
    with pytest.raises(UsageError, match=said):
        resolve(scenario(**given))


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ('client_app = "a:app"', "client_app and server_app go together"),
        ('app = "x"\nclient_app = "a:app"', "give app, or client_app and server_app"),
        ('app = "x"\nname = "mnist-mlp"', "keep one of the two"),
        ('name = "flower-app"', "that of a Flower app"),
        ("run_config = { a = 1 }", "run_config is for Flower apps"),
    ],
)
def test_half_an_app_is_refused_when_the_scenario_is_read(task, said) -> None:
    with pytest.raises(UsageError, match=said):
        parse_scenario(f'[task]\n{task}\n[[nodes]]\nzone = "DE"\n')
