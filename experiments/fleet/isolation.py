"""Isolation of a run's sockets: listing, checking, and network namespaces.

The promise is that every listener of a run binds to loopback unless told otherwise. Our own servers are told
their address. Ray binds to loopback when its node address *is* the loopback address (see ray_local.py), and
the fleet checks with ``exposed`` after every start. ``isolation = "netns"`` goes further: the run enters a
network namespace of its own that has nothing but loopback, so that nothing inside can be reached, nor reach
out.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import ipaddress
import os
import socket
import struct
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import psutil

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 0x1


class Isolation(StrEnum):
    """How a local run is kept from the network."""

    AUTO = "auto"
    """Every listener binds to loopback; checked after the start, and the start fails when one does not."""
    NETNS = "netns"
    """As ``auto``, inside a network namespace with nothing but loopback; fails where the kernel forbids it.
    """
    NONE = "none"
    """No check: for a cluster, whose nodes must reach each other. Ray's token still guards its ports."""


class IsolationError(RuntimeError):
    """The requested isolation is not available here."""


@dataclass(frozen=True, slots=True)
class Listener:
    """A listening TCP socket of one process."""

    pid: int
    process: str
    address: str
    port: int

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        address = ipaddress.ip_address(self.address)
        return (getattr(address, "ipv4_mapped", None) or address).is_loopback

    def __str__(self) -> str:
        return f"{self.process} (pid {self.pid}) on {self.address}:{self.port}"


def process_tree(root_pid: int | None = None) -> list[int]:
    """``root_pid`` (default: this process) and all its living descendants."""
    root = psutil.Process(root_pid)
    return [root.pid, *(child.pid for child in root.children(recursive=True))]


def listeners(root_pid: int | None = None) -> list[Listener]:
    """Listening TCP sockets of a process and its descendants, by process."""
    found: set[Listener] = set()
    for pid, connections in _connections(process_tree(root_pid)).items():
        with contextlib.suppress(psutil.NoSuchProcess):  # it ended while we looked
            name = psutil.Process(pid).name()
            listening = [one for one in connections if one.status == psutil.CONN_LISTEN]
            found |= {Listener(pid, name, *one.laddr) for one in listening}
    return sorted(found, key=lambda x: (x.pid, x.port))


def _connections(pids: Iterable[int]) -> dict[int, list[Any]]:
    """TCP sockets by process. Linux shows those of all processes in one pass (psutil would make it for each process
    again), other systems only to their administrator."""
    found: dict[int, list[Any]] = {pid: [] for pid in pids}
    if sys.platform == "linux":
        for connection in psutil.net_connections("tcp"):
            if connection.pid in found:
                found[connection.pid].append(connection)
        return found
    for pid in found:
        with contextlib.suppress(psutil.NoSuchProcess):
            found[pid] = psutil.Process(pid).net_connections("tcp")
    return found


def exposed(found: Iterable[Listener]) -> list[Listener]:
    """Those that another machine could reach."""
    return [listener for listener in found if not listener.loopback]


def require_loopback(root_pid: int | None = None, open_ports: Iterable[int] = ()) -> None:
    """Raise unless every listener of the process tree is on loopback, or the namespace has no other
    interface. ``open_ports`` are meant to be reached by other machines.

    Raises:
        IsolationError: names each listener that others could reach.
    """
    if is_isolated():
        return
    meant = frozenset(open_ports)
    if open_to_world := [found for found in exposed(listeners(root_pid)) if found.port not in meant]:
        names = "; ".join(map(str, open_to_world))
        raise IsolationError(
            f"listening beyond loopback: {names}. Allowed by default is loopback only. "
            'Set isolation = "netns" to shut the run into its own network namespace, or isolation = "none" '
            "if other machines are meant to reach it."
        )


def is_isolated() -> bool:
    """Whether this process sits in a network namespace without any interface but loopback."""
    return {name for _, name in socket.if_nameindex()} <= {"lo"}


def ensure_isolated(isolation: Isolation | str) -> Isolation:
    """Bring about what was asked for. Call first thing: a namespace can be entered only while no thread runs.

    The process stays the same one, so that signals, exit code and standard streams are untouched; processes it
    starts afterwards (Ray, the coordinator) are inside as well.

    Raises:
        IsolationError: ``netns`` was asked for, and this kernel or this process does not allow it.
        ValueError: unknown name.
    """
    try:
        isolation = Isolation(isolation)
    except ValueError:
        raise ValueError(f"isolation is {isolation!r}; allowed are {', '.join(Isolation)}") from None
    if isolation is Isolation.NETNS and not is_isolated():
        _enter_namespace()
    return isolation


def _enter_namespace() -> None:
    if not sys.platform.startswith("linux"):
        raise IsolationError(
            f'isolation = "netns" needs Linux, this is {sys.platform}; use isolation = "auto"'
        )
    uid, gid = os.getuid(), os.getgid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) != 0:
        code = ctypes.get_errno()
        raise IsolationError(
            f"entering a network namespace was refused ({os.strerror(code)}): unprivileged user namespaces "
            'may be off here, or threads run already. Use isolation = "auto": all listeners on loopback.'
        )
    Path("/proc/self/setgroups").write_text("deny")
    # The same ids inside as outside: files keep their owner, and paths derived from the user do not change.
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh", b"lo", 0)
        flags = struct.unpack("16sh", fcntl.ioctl(control, _SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh", b"lo", flags | _IFF_UP))
