"""All boards of an inventory at once: asked side by side, and judged before anything is changed on any of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from carbon_data.ours import NAMES
from edge_node.meters.sources.registry import SOURCES
from edge_node.versions import COMPARED, differences, versions
from experiments.cluster.inventory import Inventory
from experiments.cluster.ssh import BoardError, Ssh, require_ssh
from experiments.errors import UsageError

AT_ONCE = 32


@dataclass
class Answers:
    """Of the boards that were asked, by name."""

    given: dict[str, dict[str, Any]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    """Sentences of those that did not answer, or are another board."""

    def require(self, undone: str) -> dict[str, dict[str, Any]]:
        """The answers. Raises UsageError where a board failed; ``undone``: what was not done therefore."""
        if self.failed:
            raise UsageError(f"{'; '.join(self.failed.values())}. {undone}")
        return self.given


def chosen(inventory: Inventory, names: Sequence[str]) -> list[Ssh]:
    """Those named, or all. Raises UsageError for a name that there is none of, or without ssh."""
    require_ssh()
    boards = [inventory.board(name) for name in dict.fromkeys(names)] or list(inventory.boards)
    return [Ssh(board, inventory.ssh_config) for board in boards]


def ask_all(boards: Sequence[Ssh], ask: str, **request: Any) -> Answers:
    """One question to every board; a board that is another refuses."""
    return each(boards, lambda ssh: ssh.ask(ask, node_id=ssh.board.name, **request))


def each(boards: Sequence[Ssh], work: Callable[[Ssh], dict[str, Any]]) -> Answers:
    """``work`` with every board, side by side."""
    found = Answers()

    def one(ssh: Ssh) -> dict[str, Any] | BoardError:
        try:
            return work(ssh)
        except BoardError as error:
            return error

    with ThreadPoolExecutor(min(AT_ONCE, len(boards))) as pool:
        for ssh, told in zip(boards, pool.map(one, boards), strict=True):
            if isinstance(told, BoardError):
                found.failed[ssh.board.name] = str(told)
            else:
                found.given[ssh.board.name] = told
    return found


def examine(boards: Sequence[Ssh], pushed: Mapping[str, Sequence[Any]]) -> Answers:
    """All that is compared before a run, for ``experiments.cluster.health``; ``pushed``: files, by board."""
    common: dict[str, Any] = {"packages": COMPARED, "code": NAMES, "sensors": tuple(SOURCES)}

    def one(ssh: Ssh) -> dict[str, Any]:
        begun_s, name = time.time(), ssh.board.name
        told = ssh.ask("check", node_id=name, profile=ssh.board.profile, files=pushed[name], **common)
        return {**told, "asked_s": begun_s, "answered_s": time.time()}

    return each(boards, one)


def inspect(boards: Sequence[Ssh]) -> Answers:
    """Who the boards are and whether their daemons could take part: right node, right versions, a sound file."""
    found = ask_all(boards, "inspect", packages=COMPARED)
    ours = versions()
    for name, told in list(found.given.items()):
        if said := version_fault(told["versions"], ours):
            found.failed[name] = f"board {name} {said}; install the same there: detabed cluster push {name}"
        elif said := told["fault"]:
            found.failed[name] = f"board {name}: {said}; mend {told['board_file']} there"
        else:
            continue
        del found.given[name]
    return found


def version_fault(theirs: Mapping[str, str], ours: Mapping[str, str]) -> str:
    """What is other on a board, or missing; empty: nothing."""
    parts = []
    if missing := [name for name in ours if name not in theirs]:
        parts.append(f"lacks {', '.join(missing)}")
    if differ := differences(theirs, ours):
        parts.append(f"has {differ}")
    return " and ".join(parts)
