"""Who can reach the sockets of a run: list them, check them, and shut the world out.

The promise is that every listener of a run binds to loopback unless told otherwise. Our own servers are told
their address. Ray binds to loopback when its node address *is* the loopback address (see ray_local.py), and
the fleet checks with ``exposed`` after every start. ``isolation = "netns"`` goes further: the run enters a
network namespace of its own that has nothing but loopback, so that nothing inside can be reached, nor reach
out.
"""

from __future__ import annotations

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

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 0x1
_TCP_LISTEN = "0A"


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
    """The isolation that was asked for cannot be had here."""


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
        return ipaddress.ip_address(self.address).is_loopback

    def __str__(self) -> str:
        return f"{self.process} (pid {self.pid}) on {self.address}:{self.port}"


def process_tree(root_pid: int | None = None) -> list[int]:
    """``root_pid`` (default: this process) and all its living descendants. Linux only.

    Raises:
        OSError: there is no /proc to read.
    """
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            # Field 4 of /proc/PID/stat; the second field is in brackets and may hold blanks and brackets
            # itself.
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended while we looked
        children.setdefault(parent, []).append(int(entry.name))
    found = [os.getpid() if root_pid is None else root_pid]
    for pid in found:
        found.extend(children.get(pid, []))
    return found


def _decode(hex_address: str) -> tuple[str, int]:
    host, _, port = hex_address.partition(":")
    words = bytes.fromhex(host)
    # The kernel prints each 32-bit word in host order.
    raw = b"".join(
        struct.pack(">I", struct.unpack("=I", words[i : i + 4])[0]) for i in range(0, len(words), 4)
    )
    address = ipaddress.ip_address(raw)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return str(address), int(port, 16)


def _listening(pid: int) -> dict[str, tuple[str, int]]:
    """Inode to address of every listening socket in the network namespace of ``pid``."""
    sockets: dict[str, tuple[str, int]] = {}
    for table in ("tcp", "tcp6"):
        path = Path(f"/proc/{pid}/net/{table}")
        if not path.exists():
            continue  # IPv6 is off in this kernel
        for line in path.read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _TCP_LISTEN:
                sockets[fields[9]] = _decode(fields[1])
    return sockets


def _links(folder: Path) -> list[str]:
    links = []
    for entry in folder.iterdir():
        try:
            links.append(os.readlink(entry))
        except FileNotFoundError:
            continue  # closed while we looked, as the handle of this listing itself
    return links


def listeners(root_pid: int | None = None) -> list[Listener]:
    """Listening TCP sockets of a process and its descendants, by process. Linux only."""
    found: set[Listener] = set()
    for pid in process_tree(root_pid):
        try:
            table = _listening(pid)
            name = Path(f"/proc/{pid}/comm").read_text().strip()
            links = _links(Path(f"/proc/{pid}/fd"))
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended while we looked
        for link in links:
            if link.startswith("socket:[") and (at := table.get(link[8:-1])) is not None:
                found.add(Listener(pid, name, *at))
    return sorted(found, key=lambda x: (x.pid, x.port))


def exposed(found: Iterable[Listener]) -> list[Listener]:
    """Those that another machine could reach."""
    return [listener for listener in found if not listener.loopback]


def require_loopback(root_pid: int | None = None) -> None:
    """Raise unless every listener of the process tree is on loopback, or the namespace has no other
    interface.

    Raises:
        IsolationError: names each listener that others could reach.
    """
    if not sys.platform.startswith("linux"):
        return  # no /proc; the bind addresses are the same, and the tests that prove it run on Linux
    if is_isolated():
        return
    if open_to_world := exposed(listeners(root_pid)):
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

    The process stays the same one, so that signals, exit code and standard streams are untouched; whatever it
    starts afterwards (Ray, the coordinator) is inside as well.

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
