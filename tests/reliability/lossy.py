"""A link that loses packets: two TUN devices, one here and one in a network namespace, and a thread that carries
packets between them. The kernel need not know of loss (netem)."""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import select
import shutil
import struct
import subprocess
import threading
from collections.abc import Iterator

import pytest

_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_MOST_BYTES = 65_536


class Link:
    """``loss``: share of packets that get lost, each way; 1 cuts the link."""

    def __init__(self, near: int, far: int, namespace: str, here: str) -> None:
        self.loss, self.namespace, self.here = 0.0, namespace, here
        self.carried = self.lost = 0
        self._ends, self._chance = {near: far, far: near}, random.Random(5)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def command(self, *arguments: str) -> list[str]:
        """To execute ``arguments`` at the far end."""
        return ["ip", "netns", "exec", self.namespace, *arguments]

    def close(self) -> None:
        self._over.set()
        self._thread.join()

    def _carry(self) -> None:
        while not self._over.is_set():
            ready, _, _ = select.select(list(self._ends), (), (), 0.1)
            for end in ready:
                packet = os.read(end, _MOST_BYTES)
                if self._chance.random() < self.loss:
                    self.lost += 1
                    continue
                with contextlib.suppress(OSError):
                    os.write(self._ends[end], packet)
                    self.carried += 1


@contextlib.contextmanager
def lossy_link(net: int) -> Iterator[Link]:
    """Address 10.78.NET.1 here, .2 at the far end. Skips the test where the kernel or this user's rights forbid it."""
    name = f"detabed-l{os.getpid()}-{net}"
    near_name, far_name = f"dtn{os.getpid() % 100000}x{net}", f"dtf{os.getpid() % 100000}x{net}"
    if shutil.which("ip") is None or not os.path.exists("/dev/net/tun"):
        pytest.skip("a lossy link needs the program ip (iproute2) and /dev/net/tun")
    ends: list[int] = []
    try:
        try:
            ends += [_tun(near_name), _tun(far_name)]
            _ip("netns", "add", name)
            _ip("link", "set", far_name, "netns", name)
            _ip("addr", "add", f"10.78.{net}.1", "peer", f"10.78.{net}.2", "dev", near_name)
            _ip("link", "set", near_name, "up")
            _ip("-n", name, "addr", "add", f"10.78.{net}.2", "peer", f"10.78.{net}.1", "dev", far_name)
            _ip("-n", name, "link", "set", far_name, "up")
            _ip("-n", name, "link", "set", "lo", "up")
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"no lossy link here: {error}")
        link = Link(ends[0], ends[1], name, f"10.78.{net}.1")
        try:
            yield link
        finally:
            link.close()
    finally:
        for end in ends:
            os.close(end)
        subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


def _tun(name: str) -> int:
    end = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(end, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI))
    return end


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
