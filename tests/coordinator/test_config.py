"""Configuration of the coordinator process: one JSON file in the run folder, strict."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.processes
ROOT = Path(__file__).parents[2]


def test_bad_configuration_ends_with_2_and_one_line(tmp_path: Path, kit: Any) -> None:
    good = json.loads(kit.make_config(tmp_path).model_dump_json())
    cases = [
        ("not json", "JSON"),
        (json.dumps({**good, "colour": "red"}), "colour"),
        (json.dumps({**good, "policy": "nonsense"}), "no policy is called"),
        (json.dumps({**good, "zones": good["zones"][:1]}), None),
        (json.dumps({**good, "body": {**good["body"], "zone": "ZZ"}}), "no intensities"),
    ]
    for text, said in cases:
        path = tmp_path / "c.json"
        path.write_text(text)
        if said is None:
            continue
        ended = subprocess.run(
            [sys.executable, "-m", "coordinator", str(path)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert ended.returncode == 2
        assert said in ended.stderr
        assert "Traceback" not in ended.stderr
        assert said in json.loads(ended.stdout)["failed"]  # for the process that started it
