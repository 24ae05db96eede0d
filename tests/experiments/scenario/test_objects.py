"""Objects of users in scenarios that are written in Python."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from experiments.errors import UsageError
from experiments.scenario.model import Scenario
from experiments.scenario.strategies import make_strategy

MODULE = """
from flwr.clientapp import ClientApp
from flwr.serverapp import ServerApp
from flwr.serverapp.strategy import FedAvg

client, server = ClientApp(), ServerApp()
strategy = FedAvg(fraction_train=0.5)


class Mine(FedAvg):
    pass
"""


def test_objects_stand_in_a_scenario_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "objects_here.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    import objects_here  # written above

    try:
        nodes = [{"zone": "DE"}]
        apps = {"client_app": objects_here.client, "server_app": objects_here.server}
        task = Scenario(task=apps, nodes=nodes).task
        assert (task.client_app, task.server_app) == ("objects_here:client", "objects_here:server")
        for given, kind in ((objects_here.Mine, "Mine"), (objects_here.strategy, "FedAvg")):
            name = Scenario(task={"strategy": given}, nodes=nodes).task.strategy
            made = [make_strategy(name, {}, 0.1) for _ in range(2)]
            assert [type(each).__name__ for each in made] == [kind, kind]
            assert made[0] is not made[1], "each run has its own"
        with pytest.raises(UsageError, match="is a dict, and makes no strategy"):
            make_strategy("objects_here:__builtins__", {}, 0.1)
    finally:
        sys.modules.pop("objects_here", None)


def test_an_object_that_lies_nowhere_is_refused_with_the_way_out() -> None:
    with pytest.raises(UsageError, match=r"task\.strategy.*lies in no module.*package\.module:name"):
        Scenario(task={"strategy": object()}, nodes=[{"zone": "DE"}])


@pytest.mark.parametrize("value", [3, 0.5, True, [1], {"a": 1}])
@pytest.mark.parametrize("key", ["strategy", "client_app", "server_app"])
def test_a_value_that_is_no_text_is_refused_as_such(key: str, value: object) -> None:
    with pytest.raises(UsageError, match=rf"task\.{key}.*valid string"):
        Scenario(task={key: value}, nodes=[{"zone": "DE"}])
