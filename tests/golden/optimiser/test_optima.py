"""Ten fixed instances keep their optimal objective values with every solver."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from coordinator.market.wide import decomposition, hub

HERE = Path(__file__).parent
RECORDS = json.loads((HERE / "optima.json").read_text())


def _regenerate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("regenerate", HERE / "regenerate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TOOLS = _regenerate()


def test_there_are_ten() -> None:
    assert len(RECORDS) == 10


@pytest.mark.parametrize("name", RECORDS)
def test_highs_on_the_pairwise_form(name: str) -> None:
    fleet = TOOLS.from_json(RECORDS[name]["fleet"])
    assert TOOLS.highs_g(fleet) == pytest.approx(RECORDS[name]["objective_g"], rel=1e-6)


@pytest.mark.parametrize("name", RECORDS)
def test_the_decomposition_brackets_it(name: str) -> None:
    fleet = TOOLS.from_json(RECORDS[name]["fleet"])
    found = decomposition.solve(hub.from_fleet(fleet), 1e-5)
    golden = RECORDS[name]["objective_g"]
    assert found.gap_fraction <= 1e-5
    assert found.bound_g <= golden + 1e-6 * abs(golden)
    assert golden <= found.objective_g + 1e-6 * abs(golden)


@pytest.mark.parametrize("name", RECORDS)
def test_clarabel_on_the_hub_form(name: str) -> None:
    fleet = TOOLS.from_json(RECORDS[name]["fleet"])
    assert TOOLS.clarabel_g(fleet) == pytest.approx(RECORDS[name]["objective_g"], rel=1e-6)
