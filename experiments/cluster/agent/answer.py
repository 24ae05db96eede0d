"""One question, one answer: JSON in, one marked line of JSON out."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .files import offer, other, take
from .identity import Refused, fault, identity
from .installed import code_digest, versions
from .machine import free_bytes, governors, throttled
from .sensor import try_meter
from .supervisor import start, state, stop

MARK = "detabed-answer "
"""Before the answer: what else a login prints is not ours."""


def _inspect(request: dict[str, Any]) -> dict[str, Any]:
    who = identity(request["node_id"])
    found = versions(request["packages"])
    # Where packages are missing, that is the fault.
    said = fault(who["board_file"]) if found.keys() >= set(request["packages"]) else ""
    return {**who, "versions": found, "fault": said, "daemon": state(who)}


def _check(request: dict[str, Any]) -> dict[str, Any]:
    began, clock_s = time.monotonic(), time.time()
    found = _inspect(request)
    meter = found["meter"]
    sensor = meter is not None and meter.partition(":")[0] in request["sensors"]
    return {
        **found,
        "code": code_digest(request["code"]),
        "other_files": other(found, request["files"]),
        "governors": governors(),
        "throttled": throttled(),
        "free_bytes": free_bytes(Path(found["folder"])),
        "meter_fault": try_meter(meter, request["profile"]) if sensor else "",
        "clock_s": clock_s,
        "took_s": time.monotonic() - began,
    }


QUESTIONS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "inspect": _inspect,
    "check": _check,
    "code": lambda request: {**identity(request["node_id"]), "code": code_digest(request["code"])},
    "offer": lambda request: offer(identity(request["node_id"]), request["files"]),
    "take": lambda request: take(identity(request["node_id"]), request["files"]),
    "state": lambda request: {"daemon": state(identity(request["node_id"]))},
    "start": lambda request: {"daemon": start(identity(request["node_id"]))},
    "stop": lambda request: {"daemon": stop(identity(request["node_id"]))},
}


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """What is asked for; ``refused`` with a sentence where the board is another, or cannot do it."""
    try:
        return QUESTIONS[request["ask"]](request)
    except Refused as error:
        return {"refused": str(error)}
    except (OSError, subprocess.SubprocessError) as error:
        return {"refused": str(error)}


def main() -> None:
    """The question is the last argument."""
    print(MARK + json.dumps(answer(json.loads(sys.argv[-1]))), flush=True)
