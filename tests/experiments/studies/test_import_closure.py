"""The key of stored results: it changes with every reachable module and file, and with nothing else."""

from __future__ import annotations

import shutil
from functools import lru_cache
from pathlib import Path

import pytest

from experiments.studies import import_closure
from experiments.studies.import_closure import FIRST_PARTY, ROOT, closure


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's sources and data files, where they may be changed."""
    root = tmp_path_factory.mktemp("copy")
    for package in FIRST_PARTY:
        shutil.copytree(ROOT / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
    return root


@lru_cache
def unchanged(root: Path, entry: str) -> str:
    """Digest of the sources as they were copied."""
    return closure(entry, root=root).digest()


def digest_after_a_line(root: Path, entry: str, file: str) -> tuple[str, str]:
    """Digests before and after a line is appended to ``file``, which is then as it was."""
    path = root / file
    kept = path.read_bytes()
    before = unchanged(root, entry)
    path.write_bytes(kept + b"\n# one line more\n")
    after = closure(entry, root=root).digest()
    path.write_bytes(kept)
    return before, after


@pytest.mark.parametrize(
    ("entry", "file"),
    [
        (
            "experiments.studies.fei.market",
            "coordinator/market/rounding.py",
        ),  # four imports deep, and loaded by name
        ("experiments.studies.fei.market", "coordinator/policies/deta.py"),  # known to a registry only
        ("experiments.studies.fei.market", "edge_node/energy/boards/raspberry_pi_4b.toml"),
        ("experiments.studies.fei.market", "carbon_data/profiles/intensity_2022.csv"),
        ("experiments.studies.fei.market", "coordinator/__init__.py"),
        ("experiments.studies.fei.federated", "edge_node/tasks/peephole.py"),
        ("experiments.studies.tree.study", "edge_node/energy/component_power.py"),
        ("experiments.studies.tree.study", "experiments/studies/tree/parameters.toml"),
        ("experiments.studies.terminal.training", "edge_node/splitting/partition.py"),
    ],
)
def test_a_line_in_anything_reached_changes_the_key(copied: Path, entry: str, file: str) -> None:
    before, after = digest_after_a_line(copied, entry, file)
    assert before != after


@pytest.mark.parametrize(
    ("entry", "file"),
    [
        ("experiments.studies.fei.market", "experiments/studies/fei/report.py"),
        ("experiments.studies.fei.market", "experiments/studies/fei/shipped.json"),
        ("experiments.studies.fei.market", "experiments/studies/fei/report.html.j2"),
        ("experiments.studies.fei.federated", "coordinator/market/rounding.py"),
        ("experiments.studies.fei.federated", "experiments/studies/fei/table1.py"),
        ("experiments.studies.tree.study", "experiments/studies/tree/page.html.j2"),
        ("experiments.studies.tree.study", "experiments/studies/tree/claims.py"),
    ],
)
def test_a_line_in_what_is_not_reached_leaves_the_key(copied: Path, entry: str, file: str) -> None:
    before, after = digest_after_a_line(copied, entry, file)
    assert before == after


def test_the_key_does_not_depend_on_where_the_project_lies(copied: Path) -> None:
    assert (
        closure("experiments.studies.tree.study", root=copied).digest()
        == closure("experiments.studies.tree.study").digest()
    )


def test_a_new_version_of_an_imported_library_changes_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = closure("experiments.studies.tree.study")
    assert "numpy" in before.libraries
    assert "torch" not in before.libraries
    version = import_closure.metadata.version
    monkeypatch.setattr(
        import_closure.metadata, "version", lambda name: "0.0" if name == "numpy" else version(name)
    )
    assert closure("experiments.studies.tree.study").digest() != before.digest()


def test_every_way_to_import_is_followed_and_what_never_runs_is_not(tmp_path: Path) -> None:
    files = {
        "experiments/__init__.py": "",
        "experiments/start.py": (
            "from __future__ import annotations\nfrom typing import TYPE_CHECKING\n"
            "from . import beside\nfrom coordinator.deep import inner\nimport numpy as np\n"
            "if TYPE_CHECKING:\n    from experiments import types_only\nelse:\n    import experiments.otherwise\n"
            "TASKS = {'a': 'edge_node.named:Task'}\n"
            "def later():\n    from protos import inside\n"
        ),
        "experiments/beside.py": "from .sub.leaf import thing\n",
        "experiments/sub/__init__.py": "",
        "experiments/sub/leaf.py": (
            "from importlib import resources\nthing = resources.files('carbon_data.tables') / f'{1}.csv'\n"
        ),
        "experiments/sub/own.csv": "1",
        "experiments/sub/page.html": "not mentioned",
        "experiments/types_only.py": "",
        "experiments/otherwise.py": "",
        "experiments/unreached.py": "",
        "coordinator/deep/__init__.py": "from ..top import x\n",
        "coordinator/deep/inner.py": "",
        "coordinator/top.py": "",
        "edge_node/named.py": "",
        "protos/inside.py": "import json\n",
        "carbon_data/tables/__init__.py": "",
        "carbon_data/tables/a.csv": "1",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = closure("experiments.start", root=tmp_path)
    assert set(found.modules) == {
        "carbon_data.tables",
        "coordinator.deep",
        "coordinator.deep.inner",
        "coordinator.top",
        "edge_node.named",
        "experiments",
        "experiments.beside",
        "experiments.otherwise",
        "experiments.start",
        "experiments.sub",
        "experiments.sub.leaf",
        "protos.inside",
    }
    assert {path.relative_to(tmp_path).as_posix() for path in found.data} == {
        "carbon_data/tables/a.csv",
        "experiments/sub/own.csv",
    }
    assert set(found.libraries) == {"python", "numpy"}


def test_an_entry_that_is_no_module_is_refused() -> None:
    with pytest.raises(ValueError, match=r"experiments\.nowhere"):
        closure("experiments.nowhere")
