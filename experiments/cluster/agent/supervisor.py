"""The board's daemon: by systemd where it has a unit there, otherwise by the record of its process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from .identity import Refused
from .process import Recorded

UNIT = "detabed-node.service"
BOOTED, SYSTEM_FOLDER = Path("/run/systemd/system"), Path("/etc/systemd/system")


def state(who: dict[str, Any]) -> dict[str, Any]:
    """``running`` or ``stopped``, with the process and who supervises it."""
    control = _control()
    if control is None:
        recorded = Recorded(Path(who["folder"]))
        pid = recorded.pid()
        said = "" if pid is not None else recorded.last_line()
        return {"running": pid is not None, "pid": pid, "supervisor": "none", "said": said}
    asked = _systemctl(control, "show", "--property=ActiveState,SubState,MainPID")
    shown = dict(line.split("=", 1) for line in asked.splitlines() if "=" in line)
    running = shown.get("ActiveState") in ("active", "activating", "reloading")
    return {
        "running": running,
        "pid": int(shown.get("MainPID", "0")) or None,
        "supervisor": " ".join(control),
        "said": f"{shown.get('ActiveState', 'unknown')} ({shown.get('SubState', 'unknown')})",
    }


def start(who: dict[str, Any]) -> dict[str, Any]:
    """Start it, unless it runs; ``began`` says which."""
    if state(who)["running"]:
        return {**state(who), "began": False}
    control = _control()
    if control is None:
        Recorded(Path(who["folder"])).start([sys.executable, "-P", "-m", "edge_node", who["board_file"]])
    else:
        _systemctl(control, "start")
    return {**state(who), "began": True}


def stop(who: dict[str, Any]) -> dict[str, Any]:
    """Stop it; ``ended``: it ran."""
    control = _control()
    if control is None:
        ended = Recorded(Path(who["folder"])).stop()
    else:
        ended = state(who)["running"]
        _systemctl(control, "stop")
    return {**state(who), "ended": ended}


def _control() -> list[str] | None:
    """The service manager that has the unit; None: none."""
    if not BOOTED.is_dir():
        return None
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    if (Path(base) / "systemd" / "user" / UNIT).is_file():
        return ["systemctl", "--user"]
    return ["systemctl"] if (SYSTEM_FOLDER / UNIT).is_file() else None


def _systemctl(control: list[str], verb: str, *options: str) -> str:
    changes = verb in ("start", "stop")
    root = ["sudo", "-n"] if changes and "--user" not in control and os.geteuid() != 0 else []
    # A login without a session of its own (ssh without PAM) does not say where the user's systemd listens.
    environment = {"XDG_RUNTIME_DIR": f"/run/user/{os.getuid()}", **os.environ}
    command = [*root, *control, verb, *options, UNIT]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode != 0:
        raise Refused(f"{' '.join(command)}: {done.stderr.strip() or f'exit code {done.returncode}'}")
    return done.stdout
