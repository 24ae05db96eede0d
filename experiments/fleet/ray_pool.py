"""Processes of a Ray cluster that answer texts with texts, one at a time each.

What we send and receive are texts; a process makes its server from a name, ``package.module:Name``. Ray itself pickles
the calls around them.
"""

from __future__ import annotations

import contextlib
import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError

from .base import Managed
from .ray_cluster import ClusterRay

_DETAIL = re.compile(r"Worker exit detail: (?P<why>[^.\n]+)")


class Server(Protocol):
    """What a process runs; made without arguments."""

    def greet(self) -> str:
        """Its first text, unasked."""
        ...

    def answer(self, text: str) -> str:
        """The text that answers ``text``. May not raise."""
        ...


class _Process:
    def __init__(self, server: str) -> None:
        module, _, name = server.partition(":")
        self._server: Server = getattr(importlib.import_module(module), name)()

    def greet(self) -> str:
        return self._server.greet()

    def answer(self, text: str) -> str:
        return self._server.answer(text)


@dataclass(eq=False)
class Member:
    """A process of the pool, and the call that it has."""

    actor: Any
    call: Any
    """None: it has none."""


@dataclass(frozen=True)
class Event:
    """``text`` of a member; None where its process ended, with ``why``."""

    member: Member
    text: str | None
    why: str = ""


class RayPool(Managed):
    """Processes with one core of the cluster each. They end with ``stop``, and when this process ends.

    Args:
        cluster: Joined by ``start``.
        server: ``package.module:Name`` of a Server.
        environment: Variables of every process.
    """

    def __init__(self, cluster: ClusterRay, server: str, environment: Mapping[str, str]) -> None:
        self._cluster, self._server, self._environment = cluster, server, dict(environment)
        self._members: list[Member] = []

    def start(self) -> None:
        """Join the cluster. Raises UsageError."""
        self._cluster.start()

    def stop(self) -> None:
        for member in list(self._members):
            self.end(member)
        self._cluster.stop()

    @staticmethod
    def cores() -> int:
        """Of all machines that are in the cluster now, busy or not."""
        return int(ray.cluster_resources().get("CPU", 0))

    def add(self) -> Member:
        """A process that is to come; it greets when it is there, and waits as long as no core is free."""
        options: dict[str, Any] = {"num_cpus": 1, "max_restarts": 0, "max_task_retries": 0}
        process = ray.remote(
            **options, scheduling_strategy="SPREAD", runtime_env={"env_vars": self._environment}
        )
        actor: Any = process(_Process).remote(self._server)
        self._members.append(member := Member(actor, actor.greet.remote()))
        return member

    def ask(self, member: Member, text: str) -> None:
        """Give ``text`` to a member that has answered all before."""
        member.call = member.actor.answer.remote(text)

    def end(self, member: Member) -> None:
        """What it computes, of any kind."""
        self._members.remove(member)
        with contextlib.suppress(RayError):
            ray.kill(member.actor)

    def events(self, timeout_s: float) -> list[Event]:
        """What has come from members by now, or the first that comes within ``timeout_s``. Those that ended are no
        members any more."""
        calls = {member.call: member for member in self._members if member.call is not None}
        if not calls:
            return []
        come, _ = ray.wait(list(calls), num_returns=1, timeout=timeout_s)
        if come:  # and all others that are there
            come, _ = ray.wait(list(calls), num_returns=len(calls), timeout=0.0)
        return [self._event(calls[call]) for call in come]

    def _event(self, member: Member) -> Event:
        call, member.call = member.call, None
        try:
            (text,) = ray.get([call])
            return Event(member, text)
        except RayError as error:
            self.end(member)
            return Event(member, None, _why(error))


def _why(error: RayError) -> str:
    if isinstance(error, RayTaskError):
        return f"{type(error.cause).__name__}: {error.cause}"
    found = _DETAIL.search(str(error)) if isinstance(error, RayActorError) else None
    if found is not None:
        return found["why"].strip()
    return (str(error).strip() or type(error).__name__).splitlines()[-1].strip()
