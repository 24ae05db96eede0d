"""Fleets of language servers against this machine's memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_node.language import memory
from edge_node.language.memory import needed_bytes
from experiments.errors import UsageError
from experiments.resolve.server_memory import refuse_without_memory
from experiments.scenario.model import parse_scenario
from tests.edge_node.language.test_memory import CONFIG

TEXT = """name = "memory"
[stages]
application = 1
[task]
name = "llm"
[fleet]
{fleet}
[[nodes]]
zone = "DE"
count = 3
"""


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """On a machine with room for two servers."""
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF" + b"\0" * 996)
    monkeypatch.setattr(memory, "available_bytes", lambda: needed_bytes(CONFIG, 1000, servers=2))
    return path


@pytest.mark.parametrize("kind", ["inprocess", "ray"])
def test_nodes_of_one_machine_are_counted_together(kind: str, model: Path) -> None:
    scenario = parse_scenario(TEXT.format(fleet=f'kind = "{kind}"'), "memory.toml")
    with pytest.raises(UsageError, match=r"task\.llm.*3 servers of some-model on this machine would take"):
        refuse_without_memory(scenario, CONFIG, model)


def test_nodes_of_other_machines_look_for_themselves(model: Path) -> None:
    fleet = 'kind = "daemons"\ncluster = "boards.toml"'
    refuse_without_memory(parse_scenario(TEXT.format(fleet=fleet), "memory.toml"), CONFIG, model)
