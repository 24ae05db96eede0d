"""Outside clients of a run: where they may ask, for how long, and what ``detabed infer`` takes for an address."""

from __future__ import annotations

import json
import re
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from experiments.errors import UsageError
from experiments.resolve.listen import LISTENING
from experiments.resolve.resolved import Resolved
from experiments.run_folder.files import ADDRESSES, DONE, SCENARIO, access_of_runner
from experiments.wording import few
from protos.access.config import Access
from protos.messages.terms import Stage

_HOST_AND_PORT = re.compile(r"(\[[0-9A-Fa-f:]+\]|[^\s:/]+):\d{1,5}")
HOLD = "detabed run SCENARIO --serve-for SECONDS"


class Outside:
    """A run's side of it: says the addresses, and keeps the last slot of the application stage open.

    Args:
        resolved: The run.
        folder: Its folder, for the line that tells people what to type.
        serve_s: Wall seconds to keep it open; 0: not at all.
        say: Prints a line.
        status: Shows what is happening.
        sleep: Waits; raises KeyboardInterrupt when interrupted.

    Raises:
        UsageError: ``serve_s`` with nodes that listen nowhere, or without an application stage.
    """

    def __init__(
        self,
        resolved: Resolved,
        folder: Path,
        serve_s: float = 0.0,
        *,
        say: Callable[[str], None] = lambda _: None,
        status: Callable[[str], None] = lambda _: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        serving = [slot for slot, stage in enumerate(resolved.stages) if stage is Stage.APPLICATION]
        if serve_s and resolved.scenario.fleet.kind not in LISTENING:
            raise UsageError(
                f"--serve-for {serve_s:g} with fleet {resolved.scenario.fleet.kind!r}: its nodes listen nowhere; "
                "give --fleet ray"
            )
        if serve_s and resolved.scenario.fleet.isolation == "netns":
            raise UsageError(
                '--serve-for with isolation "netns": no client can reach such a run; set isolation = "auto" in [fleet]'
            )
        if serve_s and not serving:
            raise UsageError("--serve-for needs a slot of the application stage; set application in [stages]")
        self._last = serving[-1] if serving else None
        self._folder, self._serve_s = folder, serve_s
        self.say, self.status, self._sleep = say, status, sleep

    def opened(self, addresses: dict[str, str]) -> None:
        """Print the addresses; nothing where no client could ask, or nothing is served."""
        if not addresses or self._last is None:
            return
        by_address: dict[str, list[str]] = {}
        for node, address in sorted(addresses.items()):
            by_address.setdefault(address, []).append(node)
        for address, nodes in by_address.items():
            self.say(f"Infer: {address} asks {few(nodes)}")
        self.say(f"Infer: detabed infer {self._folder} --node {min(addresses)}, from the first round on")

    def before_close(self, slot: int) -> None:
        """Keep ``slot`` open, if it is the last one that serves."""
        if slot != self._last or not self._serve_s:
            return
        self.say(f"Infer: open for {self._serve_s:g} s, or until interrupted (Ctrl-C)")
        self.status("open for outside clients")
        try:
            self._sleep(self._serve_s)
        except KeyboardInterrupt:
            self.say("Infer: closed")


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to ask."""

    address: str
    node_id: str
    """Empty: the only one at the address."""
    data: str | None = None
    """Data set of the node's task; None where only the address is known."""
    access: Access = field(default_factory=Access)
    """The run's secret, or its runner's certificate; neither where only the address is known."""


def find_target(target: str, node_id: str, runs: Path) -> Target:
    """``target``: host:port, the folder of a run that lasts, or a node of the newest such run in ``runs``.

    Raises UsageError with what can be asked.
    """
    folder = Path(target)
    if folder.is_dir():
        return _in_folder(folder, node_id)
    if _HOST_AND_PORT.fullmatch(target):
        return _at_address(target, node_id, runs)
    for folder in _lasting(runs):
        if target in json.loads((folder / ADDRESSES).read_text(encoding="utf-8")):
            if node_id not in ("", target):
                raise UsageError(f"{target!r} and --node {node_id}: two nodes; name one")
            return _in_folder(folder, target)
    lasting = ", ".join(str(folder) for folder in _lasting(runs)) or f"none in {runs}"
    raise UsageError(
        f"{target!r} is no host:port, no run folder and no node of a run that lasts ({lasting}); start one with {HOLD}"
    )


def _at_address(address: str, node_id: str, runs: Path) -> Target:
    """A run of this machine that lasts lends its secret or certificate."""
    for folder in _lasting(runs):
        addresses = json.loads((folder / ADDRESSES).read_text(encoding="utf-8"))
        if address in addresses.values():
            return Target(address, node_id, access=_access_of(folder))
    return Target(address, node_id)


def _access_of(folder: Path) -> Access:
    """What ``detabed infer`` shows to nodes of a run that lasts."""
    for certified in (True, False):
        access = access_of_runner(folder, certified)
        place = access.certificates or access.secret_file
        if place is not None and place.exists():
            return access
    return Access()


def _lasting(runs: Path) -> list[Path]:
    """Folders of runs that outside clients can ask, newest first."""
    found = list(runs.glob(f"*/{ADDRESSES}"))
    return [path.parent for path in sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)]


def _in_folder(folder: Path, node_id: str) -> Target:
    path = folder / ADDRESSES
    if not path.exists():
        if (folder / DONE).exists():
            raise UsageError(
                f"{folder}: the run is over, and its nodes with it; {HOLD} keeps them for a while"
            )
        raise UsageError(f"{folder}: no addresses.json; is this the folder of a run on Ray that has started?")
    addresses: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    if not addresses:
        raise UsageError(f"{folder}: none of its nodes has an address for outside clients")
    chosen = node_id or min(addresses)
    if chosen not in addresses:
        raise UsageError(f"{folder} has no node {chosen!r}; allowed are {', '.join(sorted(addresses))}")
    return Target(addresses[chosen], chosen, _data_of(folder), _access_of(folder))


def _data_of(folder: Path) -> str | None:
    try:
        document = tomllib.loads((folder / SCENARIO).read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError):
        return None
    data = document.get("task", {}).get("data")
    return data if isinstance(data, str) else None
