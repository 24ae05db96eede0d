"""The board's meter, tried for a moment by the installed package."""

from __future__ import annotations

import json
import subprocess
import sys

WINDOW_S = 2.0
PATIENCE_S = 60.0


def try_meter(spec: str, profile: str | None) -> str:
    """Why the sensor ``spec`` gives no reading; empty: it gives one."""
    options = ["--seconds", str(WINDOW_S), "--json", *(("--board", profile) if profile else ())]
    command = [sys.executable, "-P", "-m", "experiments.cli", "meter", "test", spec, *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    try:
        missing = json.loads(done.stdout)["missing"]
    except (ValueError, KeyError):
        return " ".join(done.stderr.split()).removeprefix("error: ") or f"exit code {done.returncode}"
    return str(missing) if missing is not None else ""
