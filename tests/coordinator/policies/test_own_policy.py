"""The documented templates of user policies are complete: they conform and run as printed."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from coordinator.market.instances import reference_day
from coordinator.negotiation.table import Negotiating
from coordinator.policies.conformance import check_named
from coordinator.policies.registry import make_policy
from coordinator.simulator.simulate import World, simulate

GUIDE = Path(__file__).parents[3] / "docs" / "own-policy.md"


@pytest.mark.parametrize(("place", "kind", "negotiates"), [(0, "Deta2", False), (1, "QuietDet", True)])
def test_template_conforms(
    place: int, kind: str, negotiates: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), flags=re.DOTALL)[place]
    (tmp_path / "mylab_template.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    name = f"mylab_template:{kind}"
    try:
        assert [str(violation) for violation in check_named(name, seeds=2)] == []
        run = simulate(World(reference_day(4, nodes=3)), make_policy(name))
        assert run.unserved_batches.sum() == 0
        assert isinstance(make_policy(name), Negotiating) is negotiates
    finally:
        sys.modules.pop("mylab_template", None)
