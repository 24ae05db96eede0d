"""Who started this process is told that it is ready, after sd_notify(3)."""

from __future__ import annotations

import os
import socket

VARIABLE = "NOTIFY_SOCKET"


def ready() -> None:
    """Say ``READY=1`` at the socket that the environment names; where it names none, nothing.

    Raises OSError where nobody listens there.
    """
    # Not for what this process starts: who listens knows this one.
    address = os.environ.pop(VARIABLE, "")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
            told.sendto(b"READY=1", "\0" + address[1:] if address.startswith("@") else address)
