"""The documented template of a policy of one's own is complete: it conforms and runs as printed."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from coordinator.market.instances import reference_day
from coordinator.market.simulate import World, simulate
from coordinator.policies.conformance import check_named
from coordinator.policies.registry import make_policy

GUIDE = Path(__file__).parents[3] / "docs" / "own-policy.md"


def test_template_conforms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), flags=re.DOTALL)
    (tmp_path / "mylab_template.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    name = "mylab_template:Deta2"
    try:
        assert [str(violation) for violation in check_named(name, seeds=2)] == []
        run = simulate(World(reference_day(4, nodes=3)), make_policy(name))
        assert run.unserved_batches.sum() == 0
    finally:
        sys.modules.pop("mylab_template", None)
