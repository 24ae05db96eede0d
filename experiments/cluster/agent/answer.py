"""One question, one answer: JSON in, one marked line of JSON out."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from .identity import Refused, fault, identity
from .installed import versions
from .supervisor import start, state, stop

MARK = "detabed-answer "
"""Before the answer: what else a login prints is not ours."""


def _inspect(request: dict[str, Any]) -> dict[str, Any]:
    who = identity(request["node_id"])
    found = versions(request["packages"])
    # Where packages are missing, that is the fault.
    said = fault(who["board_file"]) if found.keys() >= set(request["packages"]) else ""
    return {**who, "versions": found, "fault": said, "daemon": state(who)}


QUESTIONS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "inspect": _inspect,
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
    except OSError as error:
        return {"refused": str(error)}


def main() -> None:
    """The question is the last argument."""
    print(MARK + json.dumps(answer(json.loads(sys.argv[-1]))), flush=True)
