"""Edge nodes in long-lived Ray actors, and the Flower grid that carries messages to them.

One actor per process, several nodes per actor. Parameters that go to many nodes are put into Ray's object
store once per round; each reply comes back as soon as its node is done, or in a process of many nodes, with those of
the few nodes before it. What travels is Flower's own protobuf, and array payloads beside it as plain bytes.
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
import logging
import math
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from flwr.app import Message
from pydantic import TypeAdapter
from ray.exceptions import RayActorError, RayError, RayTaskError

from coordinator.process import search_cycles_seldom, take_turns_quickly
from edge_node.adapters.flower_private import PackedArrays, error_reply, pack, pack_arrays, pack_head, unpack
from edge_node.adapters.node_host import NodeHost, load_builder
from edge_node.config import NodeConfig, NodeMemory
from edge_node.tasks.memory import keep_memory
from experiments.run_folder.files import nodes_log
from protos.access.config import is_loopback
from protos.flower_names import CLIENT_APP_RAISED, NODE_UNAVAILABLE

from .ahead import Ahead
from .base import (
    AT_WORK_S,
    DEFAULT_BUILDER,
    MEMORIES_S,
    FleetStartError,
    HostsRuns,
    deal,
    numbers_of,
    process_count,
    run_number,
)
from .grid import NodeGrid
from .isolation import Isolation, require_loopback
from .node_log import logged_to
from .ray_cluster import ClusterRay, board_resource, own_address
from .ray_local import LocalRay
from .shipped_access import Unpacked, packed

logger = logging.getLogger(__name__)

CALLS_AT_ONCE = 32
"""Calls of a process in which messages that are sent at once travel, at most, where they may share calls (choice: up
to so many nodes in a process each one's reply comes as soon as it is done; a call costs Ray about a millisecond)."""
SHARED_CALL_BYTES = 2**24
"""Messages share a call up to so many bytes of arrays: the process keeps its replies until the last is done."""
Packed = tuple[bytes, dict[str, PackedArrays]]
_MEMORIES = TypeAdapter(dict[str, NodeMemory])


def _within(references: list[Any], limit_s: float) -> tuple[list[Any], list[Any]]:
    """(those that are ready within ``limit_s``, the others)"""
    return ray.wait(references, num_returns=len(references), timeout=limit_s) if references else ([], [])


class _Process:
    """A process of the fleet. It stays loaded until the end and hosts the nodes of one run at a time."""

    def __init__(self, preload: Sequence[str]) -> None:
        search_cycles_seldom()
        for module in preload:
            importlib.import_module(module)
        if "torch" in preload:
            # Seconds to import: only in processes whose nodes learn.
            import torch

            torch.set_num_threads(1)
        take_turns_quickly()
        self._host: NodeHost | None = None
        self._log = contextlib.ExitStack()

    def pid(self) -> int:
        return os.getpid()

    def host(
        self,
        configs: Sequence[str],
        numbers: Mapping[str, int],
        number: int,
        builder: str,
        log: str,
        shown: Mapping[str, bytes] | None = None,
        own: bool = False,
    ) -> tuple[str, str]:
        """Returns where outside clients ask these nodes, and where other nodes deliver. ``log``: file of what they
        log; empty for none. ``shown``: files of what they show, where they cannot read the runner's. ``own``: they
        listen on this machine's own address."""
        self.release()
        if log:
            self._log.enter_context(logged_to(Path(log)))
        parsed = [NodeConfig.model_validate_json(config) for config in configs]
        if shown is not None:
            unpacked = Unpacked(dict(shown), insecure=parsed[0].access.insecure)
            self._log.callback(unpacked.close)
            parsed = [config.model_copy(update={"access": unpacked.access}) for config in parsed]
        if own:
            parsed = [config.model_copy(update={"peer_host": own_address()}) for config in parsed]
        self._host = NodeHost(parsed, numbers, number, load_builder(builder))
        return self._host.hosted.infer_address, self._host.hosted.peer_address

    def release(self) -> None:
        if self._host is not None:
            self._host.close()
            self._host = None
        self._log.close()

    def memories(self) -> bytes:
        """In JSON, by node id."""
        return _MEMORIES.dump_json({} if self._host is None else self._host.memories())

    def handle(
        self, messages: Sequence[tuple[bytes, Mapping[str, int]]], *arrays: PackedArrays
    ) -> list[Packed]:
        """Replies to ``messages``, one after the other: each its head, and the place of each of its records among
        ``arrays``."""
        if self._host is None:
            raise RuntimeError("this process hosts no nodes: reset() has not run")
        return [
            pack(self._host.handle(unpack(head, {key: arrays[place] for key, place in places.items()})))
            for head, places in messages
        ]


@dataclass(frozen=True, slots=True, eq=False)
class _Call:
    """Messages on their way to a process, and Ray's reference to its replies."""

    reference: Any
    messages: dict[str, Message]
    """By id. Only the head is used: enough to name the message in an error reply, and the arrays can go."""


class RayGrid(NodeGrid):
    """Messages to nodes in Ray actors.

    Args:
        run_id: Flower's number of the run.
        names: Node id by Flower number.
        actors: Actor that hosts each node, by Flower number.
        check: Raises where Ray itself has ended; asked before Ray is.
        most_calls: Of a process, for messages that are sent at once and may share calls; None: each has its own.
    """

    def __init__(
        self,
        run_id: int,
        names: Mapping[int, str],
        actors: Mapping[int, Any],
        check: Callable[[], None] = lambda: None,
        most_calls: int | None = CALLS_AT_ONCE,
    ) -> None:
        super().__init__(run_id, names)
        self._check = check
        self._most_calls = most_calls
        self._actors = dict(actors)
        self._gone: set[Any] = set()
        self._pending: dict[Any, list[_Call]] = {}
        """By actor, in the order of sending, in which an actor answers."""
        self._ready: dict[str, Message] = {}

    def lost_nodes(self) -> set[int]:
        return {number for number, actor in self._actors.items() if actor in self._gone}

    def has_lost(self, actor: Any) -> bool:
        """Whether the process behind ``actor`` is known to be dead."""
        return actor in self._gone

    def mark_lost(self, actor: Any) -> None:
        """The process behind ``actor`` is dead."""
        if actor not in self._gone:
            self._gone.add(actor)
            names = [self.names[number] for number, host in self._actors.items() if host is actor]
            logger.warning("a fleet process died; lost nodes: %s", ", ".join(names))

    def replace(self, lost: Any, actor: Any) -> None:
        """``actor`` hosts the nodes of ``lost`` from now on."""
        self._actors = {number: actor if host is lost else host for number, host in self._actors.items()}
        self._gone.discard(lost)

    def _dispatch(self, messages: list[Message]) -> None:
        self._check()
        put: dict[int, Any] = {}  # by identity of the record: the same object goes to many nodes
        of_actor: dict[Any, list[Message]] = {}
        for message in messages:
            actor = self._actors[message.metadata.dst_node_id]
            if actor in self._gone:
                self._ready[message.metadata.message_id] = self._unavailable(message)
                continue
            of_actor.setdefault(actor, []).append(message)
            for record in message.content.array_records.values():
                if id(record) not in put:
                    put[id(record)] = ray.put(pack_arrays(record))
        calls = [
            [(actor, some) for some in shared(its, self._most_calls or len(its))]
            for actor, its in of_actor.items()
        ]
        for at_once in itertools.zip_longest(*calls):  # in turn, so that no process begins late
            for actor, some in filter(None, at_once):
                self._call(actor, some, put)

    def _call(self, actor: Any, messages: Sequence[Message], put: Mapping[int, Any]) -> None:
        places: dict[int, int] = {}
        told = []
        for message in messages:
            records = message.content.array_records
            of_message = {key: places.setdefault(id(each), len(places)) for key, each in records.items()}
            told.append((pack_head(message), of_message))
        reference = actor.handle.remote(told, *(put[each] for each in places))
        sent = {message.metadata.message_id: message for message in messages}
        self._pending.setdefault(actor, []).append(_Call(reference, sent))

    def _unavailable(
        self, message: Message, reason: str = "its process is dead", code: int = NODE_UNAVAILABLE
    ) -> Message:
        node_id = self.names[message.metadata.dst_node_id]
        return error_reply(message, code, f"{node_id}: {reason}")

    def _collect(self, message_ids: set[str], wait_s: float | None) -> list[Message]:
        replies = self._take(message_ids)
        if replies:
            wait_s = 0.0
        while waiting := self._next(message_ids):
            self._check()
            # Of each actor the call that ends next: to ask for all would cost every answer a look at all others.
            wanted = len(waiting) if wait_s == 0.0 else 1
            arrived, _ = ray.wait(list(waiting), num_returns=wanted, timeout=wait_s)
            self._check()
            if not arrived:
                break
            for reference in arrived:
                actor, call = waiting[reference]
                self._pending[actor].remove(call)
                self._ready |= zip(call.messages, self._receive(call, actor), strict=True)
            replies += self._take(message_ids)
            wait_s = 0.0  # and all others that have arrived by now
        return replies

    def _take(self, message_ids: set[str]) -> list[Message]:
        """Replies that are there."""
        return [self._ready.pop(each) for each in list(self._ready) if each in message_ids]

    def _next(self, message_ids: set[str]) -> dict[Any, tuple[Any, _Call]]:
        """By reference, actor and call of each actor's next answer to ``message_ids``."""
        found = {}
        for actor, calls in self._pending.items():
            call = next((one for one in calls if not message_ids.isdisjoint(one.messages)), None)
            if call is not None:
                found[call.reference] = (actor, call)
        return found

    def _receive(self, call: _Call, actor: Any) -> list[Message]:
        """Replies to a call that has ended, in the order of its messages."""
        sent = call.messages.values()
        try:
            replies = ray.get(call.reference)
        except RayActorError:
            self.mark_lost(actor)
            return [self._unavailable(message, "its process died") for message in sent]
        except RayTaskError as error:  # the process lives; what it ran raised
            reason = f"{type(error.cause).__name__}: {error.cause}"
            return [self._unavailable(message, reason, CLIENT_APP_RAISED) for message in sent]
        except RayError as error:
            return [self._unavailable(message, f"{type(error).__name__}: {error}") for message in sent]
        return [unpack(head, arrays) for head, arrays in replies]


def shared(messages: Sequence[Message], most_calls: int = CALLS_AT_ONCE) -> list[Sequence[Message]]:
    """Messages to one process, which are sent at once, in groups that share a call."""
    largest = max(
        sum(len(array.data) for record in message.content.array_records.values() for array in record.values())
        for message in messages
    )
    room = SHARED_CALL_BYTES // largest if largest else len(messages)
    size = max(1, min(math.ceil(len(messages) / most_calls), room))
    return [messages[start : start + size] for start in range(0, len(messages), size)]


class RayFleet(HostsRuns[RayGrid]):
    """Edge nodes in Ray actors on this machine, or on a Ray cluster that runs already.

    Args:
        nodes: Largest number of nodes of a run.
        processes: ``"per-node"``, ``"auto"`` or a number, see base.process_count.
        preload: Modules that processes import while Ray is still starting.
        isolation: See isolation.Isolation.
        cluster: Ray cluster to use, whose own settings say who reaches it; None starts our own.
        host_timeout_s: Longest time a process may take to import, and to host the nodes of a run.
        coordinators: What coordinators are forked from; ended by ``stop``. None: its own.
    """

    def __init__(
        self,
        nodes: int,
        processes: str | int = "auto",
        *,
        preload: Sequence[str] = ("torch", "flwr.clientapp"),
        isolation: Isolation = Isolation.AUTO,
        cluster: ClusterRay | None = None,
        host_timeout_s: float = 180.0,
        coordinators: Ahead | None = None,
    ) -> None:
        super().__init__()
        self._boards = () if cluster is None else cluster.boards
        self._processes = len(self._boards) or process_count(processes, nodes)
        self._preload = tuple(preload)
        self._cluster = cluster
        self._local = None if cluster else LocalRay(self._processes, self._preload, isolation)
        self._host_timeout_s = host_timeout_s
        self._actors: list[Any] = []
        self._actor_pids: list[int] = []
        self._placed: dict[str, int] = {}
        self._listens: list[tuple[str, str]] = []
        self._coordinators = coordinators or Ahead()
        self._hosted: list[tuple[Any, ...]] = []
        self._coming: dict[int, tuple[Any, Any]] = {}
        self._pings: dict[int, Any] = {}

    @property
    def lost_nodes_return(self) -> bool:
        return self._cluster is not None

    @property
    def coordinators(self) -> Ahead:
        return self._coordinators

    def start(self) -> None:
        """Start Ray first of all servers (its start-up suffers most from others), then the actors.

        Raises:
            FleetStartError: Ray or a process does not start.
            IsolationError: something listens beyond loopback.
        """
        # The driver needs the same modules as the actors; import them while Ray's start mostly waits.
        imports = threading.Thread(target=_import_quietly, args=(self._preload,), daemon=True)
        imports.start()
        keep_memory()
        try:
            self._ray.start()
            self._actors = [self._new_actor(place) for place in range(self._processes)]
            # It imports while the actors do, unless it was started before.
            self._coordinators.prepare()
            self._actor_pids = self._ask([actor.pid.remote() for actor in self._actors], "start")
        except BaseException:
            self.stop()
            raise
        imports.join()

    @property
    def _ray(self) -> LocalRay | ClusterRay:
        found = self._local or self._cluster
        assert found is not None
        return found

    def _new_actor(self, place: int) -> Any:
        # Not restarted by Ray, which knows nothing of the run that the process hosted.
        where: dict[str, Any] = {"num_cpus": 1, "scheduling_strategy": "SPREAD"}
        if self._boards:
            where = {"num_cpus": 0, "resources": {board_resource(self._boards[place]): 1}}
        process = ray.remote(_Process).options(max_restarts=0, max_task_retries=0, **where)
        return process.remote(self._preload)

    def _replace_dead(self) -> None:
        """Put new processes in place of those that died in the run before."""
        if self._grid is None:
            return
        for place, actor in enumerate(self._actors):
            if self._grid.has_lost(actor):
                ray.kill(actor)
                self._actors[place] = self._new_actor(place)
                (self._actor_pids[place],) = self._ask([self._actors[place].pid.remote()], "start")

    def _ask(self, references: list[Any], what: str) -> list[Any]:
        try:
            return list(ray.get(references, timeout=self._host_timeout_s))
        except RayTaskError as error:
            logger.info("a fleet process did not %s: %s", what, error)  # with where it happened there
            why = f"{type(error.cause).__name__}: {error.cause}"
            raise FleetStartError(f"a fleet process did not {what}: {why}") from error
        except RayError as error:
            raise FleetStartError(f"a fleet process did not {what}: {error}") from error

    def reset(
        self, configs: Sequence[NodeConfig], *, builder: str = DEFAULT_BUILDER, logs: Path | None = None
    ) -> RayGrid:
        """Host the nodes of a run; those of the run before are closed first, dead processes replaced.

        ``logs``: folder of one file a process, ``nodes-<k>.log``, for what its nodes log and where it crashes. On a
        cluster that runs already, Ray keeps it.

        Raises:
            FleetStartError: a process is dead, or building its nodes failed.
        """
        numbers = numbers_of(configs)
        shares = deal(configs, min(len(self._actors), max(1, len(configs))))
        number = run_number(configs[0].run_id)
        self.release()
        self._replace_dead()
        self._grid = None
        self._hosted = [
            (
                [config.model_dump_json() for config in share],
                numbers,
                number,
                builder,
                str(logs.resolve() / nodes_log(place)) if logs and self._local else "",
                packed(share[0].access) if self._cluster else None,
                self._cluster is not None and not self._cluster.local,
            )
            for place, share in enumerate(shares)
        ]
        self._listens = self._ask(
            [actor.host.remote(*hosted) for actor, hosted in zip(self._actors, self._hosted, strict=False)],
            "host its nodes",
        )
        self._coming, self._pings = {}, {}
        self._placed = {config.node_id: place for place, share in enumerate(shares) for config in share}
        self._numbers = numbers
        names = {number: node_id for node_id, number in numbers.items()}
        self._grid = RayGrid(
            number,
            names,
            {numbers[node_id]: self._actors[place] for node_id, place in self._placed.items()},
            check=(lambda: None) if self._local is None else self._local.check,
            # On the wall clock a reply counts that comes before its slot's end: it waits for no other.
            most_calls=CALLS_AT_ONCE if configs[0].overrun is None else None,
        )
        return self._grid

    def repair(self) -> None:
        """On a cluster: new processes for nodes whose process or machine was lost; returns at once. They take battery
        and slot from the coordinator when they register, and part from the slot after. On this machine a process that
        ends is a fault, and its nodes stay lost."""
        if self._cluster is None:
            return
        for place in range(len(self._hosted)):
            if not self.grid.has_lost(self._actors[place]):
                self._look_after(place)
            elif place not in self._coming:
                # Cut off and not dead, it would hold its board, and the new one would wait for ever.
                ray.kill(self._actors[place])
                new = self._new_actor(place)
                self._coming[place] = (new, new.host.remote(*self._hosted[place]))
            else:
                self._take_back(place)

    def _look_after(self, place: int) -> None:
        """A node that gets no work sends no replies; its process is asked for a sign of life."""
        actor = self._actors[place]
        if place not in self._pings:
            self._pings[place] = actor.pid.remote()
        asked = self._pings[place]
        if ray.wait([asked], timeout=0.0)[0]:
            del self._pings[place]
            try:
                self._actor_pids[place] = ray.get(asked)
            except RayError:
                self.grid.mark_lost(actor)

    def _take_back(self, place: int) -> None:
        new, hosting = self._coming[place]
        if not ray.wait([hosting], timeout=0.0)[0]:
            return
        del self._coming[place]
        try:
            self._listens[place] = ray.get(hosting)
        except RayError as error:  # lost again; another is started after the next slot
            logger.warning("a process that was to replace one did not start: %s", error)
            return
        before, self._actors[place] = self._actors[place], new
        self._pings.pop(place, None)
        self.grid.replace(before, new)
        logger.warning(
            "nodes are back: %s", ", ".join(n for n, where in self._placed.items() if where == place)
        )

    def pids(self) -> dict[str, int]:
        lost = self.grid.lost_nodes()
        return {
            node_id: self._actor_pids[place]
            for node_id, place in self._placed.items()
            if self._numbers[node_id] not in lost
        }

    def memories(self) -> dict[str, NodeMemory]:
        """See base.Fleet."""
        lost, overdue = self.grid.lost_nodes(), self.grid.overdue_nodes()
        there = {place for node_id, place in self._placed.items() if self._numbers[node_id] not in lost}
        at_work = {place for node_id, place in self._placed.items() if self._numbers[node_id] in overdue}
        asked = {self._actors[place].memories.remote(): place for place in sorted(there)}
        answered, late = _within(list(asked), AT_WORK_S)
        answered += _within([each for each in late if asked[each] not in at_work], MEMORIES_S)[0]
        found: dict[str, NodeMemory] = {}
        for reference in answered:
            with contextlib.suppress(RayError):  # its process has died: the grid will notice
                found |= _MEMORIES.validate_json(ray.get(reference))
        return {node_id: memory for node_id, memory in found.items() if node_id in self._numbers}

    def infer_addresses(self) -> dict[str, str]:
        asked = {node_id: self._listens[place][0] for node_id, place in self._placed.items()}
        return {node_id: address for node_id, address in asked.items() if address}

    def check_listeners(self, ours: Iterable[str]) -> None:
        """See Fleet. A cluster that runs already has its own settings."""
        if self._local is None or self._local.isolation is Isolation.NONE:
            return
        addresses = [address for pair in self._listens for address in pair if address]
        # Ports are told from the addresses they were given: one on loopback that listens elsewhere is found.
        hosts = [address.rpartition(":") for address in (*ours, *addresses)]
        require_loopback(open_ports=[int(port) for host, _, port in hosts if not is_loopback(host)])

    def release(self) -> None:
        """Close the nodes of the run; a process that died meanwhile has none left to close."""
        if self._grid is None:
            return
        living = [actor for actor in self._actors if not self._grid.has_lost(actor)]
        references = [(actor, actor.release.remote()) for actor in living]
        for actor, reference in references:
            try:
                ray.get(reference, timeout=self._host_timeout_s)
            except RayActorError:
                self._grid.mark_lost(actor)

    def stop(self) -> None:
        self._coordinators.stop()
        if self._actors:
            with contextlib.suppress(RayError):  # the rest is killed with Ray
                self.release()
        self._actors = []
        self._ray.stop()


def _import_quietly(modules: Sequence[str]) -> None:
    for module in modules:
        importlib.import_module(module)
