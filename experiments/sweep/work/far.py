"""A process of a Ray cluster that computes cells. It says what its machine has, for a kept result is that of the same
code and data wherever it was computed."""

from __future__ import annotations

import json
import os
import shutil
import socket
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import psutil

from carbon_data.own_code import look_beside
from edge_node.adapters.node_host import process_environment
from experiments.scenario.model import parse_scenario
from experiments.sweep.keys import Keys, Surroundings
from experiments.sweep.work.jobs import Answer, Job

PREFIX = "detabed-cell-"
ENVIRONMENT = {
    **{name: value for name, value in process_environment().items() if not name.startswith("DETABED_")},
    "OPENBLAS_NUM_THREADS": "1",
}
"""One thread each, as on this machine. Where data files and code of one's own are is the other machine's."""


@dataclass(frozen=True)
class Greeting:
    """A machine, and what results depend on there."""

    machine: str
    version: str
    code: str
    data: str

    @classmethod
    def here(cls) -> Greeting:
        found = Surroundings.here()
        return cls(socket.gethostname(), version("detabed"), found.code, found.data)

    @classmethod
    def of_line(cls, line: str) -> Greeting:
        """Raises ValueError where ``line`` is none."""
        told = json.loads(line)
        if not isinstance(told, dict) or not all(isinstance(value, str) for value in told.values()):
            raise ValueError("no greeting")
        try:
            return cls(**told)
        except TypeError as error:
            raise ValueError(f"no greeting: {error}") from None

    def differs(self, other: Greeting) -> str:
        """What of ``other`` is not as here, and what to do; empty for nothing."""
        if self.version != other.version:
            return f"has detabed {other.version}, and this machine {self.version}: install the same version"
        if self.code != other.code:
            return (
                "has other code or other versions of Python or libraries than this machine, with which results would "
                "be kept: install the same on both"
            )
        if self.data != other.data:
            return (
                "has other large data files than this machine: `detabed data fetch` on both, or set DETABED_DATA_DIR "
                "in the environment of its raylet"
            )
        return ""


class FarServer:
    """Answers lines of jobs (ray_pool.Server)."""

    def __init__(self) -> None:
        # It takes seconds to import; the greeting says when it is done.
        from experiments.sweep.work import compute

        self._compute = compute.answer
        self._keys = Keys(Surroundings.here())
        remove_of_the_dead(Path(tempfile.gettempdir()))
        self._scratch = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))

    def greet(self) -> str:
        return json.dumps(vars(Greeting.here()))

    def answer(self, text: str) -> str:
        job = Job.of_line(text)
        if (why := self._lacks(job)) is not None:
            return Answer(job.number, refused=why).as_line()
        self._scratch.mkdir(mode=0o700, exist_ok=True)  # cleaners of temporary folders take empty ones
        return self._compute(job, self._scratch).as_line()

    def _lacks(self, job: Job) -> str | None:
        """Why this machine cannot stand in for the one of the sweep."""
        try:
            look_beside(None if job.own_code is None else Path(job.own_code))
            if self._keys.own(parse_scenario(job.text, "")) == job.own:
                return None
        except Exception as error:  # of what one's own code does when it is looked for
            return f"{socket.gethostname()} does not read it: {type(error).__name__}: {error}"
        return (
            f"{socket.gethostname()} has other files or code of one's own than this machine where the scenario names "
            "them; put the same at the same place there"
        )


def remove_of_the_dead(folder: Path) -> None:
    """Scratch folders below ``folder`` of processes of this user that were killed."""
    for path in folder.glob(f"{PREFIX}*-*"):
        pid = path.name.removeprefix(PREFIX).partition("-")[0]
        if pid.isdigit() and path.stat().st_uid == os.getuid() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(path, ignore_errors=True)
