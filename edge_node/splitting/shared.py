"""Several terminals on one link and one edge server: (E3) with waiting, frame by frame. Pure.

Every terminal has a frame each ``period_s``. A frame passes four stages: the terminal computes, its radio sends, the
server computes, the answer comes back. Each stage serves frames in the order in which they reach it, one at a time, for
a time that is known (Lindley's recursion: done = max(reached, done before) + service). Computing, sending and receiving
are each terminal's own; the server is shared.

The link is shared by time slots (TDMA), one share for each terminal, used or not: sending takes K times as long with K
terminals. The radio sends for as long as with one terminal and waits for its slots in between. Slots are short
against a frame, so that a frame flows at 1 / K of the rate.

Joules are (E3)'s; the terminal's idle power also flows between slots and while frames queue at the server: whenever a
frame is under way and the radio neither sends nor receives, once however many of the terminal's frames are under way.
No frame takes less than (E3). With one terminal whose frames do not queue, it is (E3).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from carbon_data.units import BITS_PER_BYTE
from edge_node.splitting.energy import AccessPoint, Link, Server, Split, Terminal

Seconds = NDArray[np.float64]
Joules = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SharedRun:
    """All frames of all terminals, arrays (users, frames)."""

    due_s: Seconds
    """When the camera gives the frame."""
    at_server_s: Seconds
    """When its last byte is at the server; where nothing travels, when the terminal has computed it."""
    served_s: Seconds
    """When the server has computed it."""
    done_s: Seconds
    """When the terminal has the answer."""
    terminal_j: Joules
    system_j: Joules

    @property
    def latency_s(self) -> Seconds:
        """From the camera to the answer."""
        return self.done_s - self.due_s


def simulate(
    splits: Sequence[Split],
    offsets_s: Sequence[float],
    terminal: Terminal,
    server: Server,
    access_point: AccessPoint,
    link: Link,
    period_s: float,
    frames: int,
) -> SharedRun:
    """Run ``frames`` frames of every terminal.

    Args:
        splits: How each terminal shares out its inferences; as many as there are terminals.
        offsets_s: When each terminal's first frame comes.
        terminal: All are of one kind.
        server: Shared, first come first served; of frames at the same moment the first terminal's is first.
        access_point: Its share is booked while a terminal is on the air.
        link: Rate of a terminal that has the link to itself.
        period_s: Between frames, > 0.
        frames: Of each terminal, >= 1.

    Raises:
        ValueError: no terminals, other offsets than terminals, or a period or number of frames outside its limits.
    """
    users = len(splits)
    if users == 0 or len(offsets_s) != users:
        raise ValueError(
            f"{users} splits and {len(offsets_s)} offsets; give one of each per terminal, at least one"
        )
    if not (math.isfinite(period_s) and period_s > 0) or frames < 1:
        raise ValueError(f"period_s is {period_s} and frames {frames}; allowed are > 0 and >= 1")
    due = np.asarray(offsets_s, dtype=np.float64)[:, None] + period_s * np.arange(frames)
    compute_s = np.array([split.terminal_flop for split in splits]) / terminal.flop_per_s
    up_s = BITS_PER_BYTE * np.array([split.up_bytes for split in splits]) / link.up_bit_per_s
    server_s = np.array([split.server_flop for split in splits]) / server.flop_per_s
    down_s = BITS_PER_BYTE * np.array([split.down_bytes for split in splits]) / link.down_bit_per_s
    travels = np.array([split.up_bytes > 0 for split in splits])

    at_server = _queue(_queue(due, compute_s), users * up_s)
    served = at_server.copy()
    served[travels] = _first_come_first_served(at_server[travels], server_s[travels])
    done = _queue(served, users * down_s)

    # From the first slot of a frame to its answer, less what earlier frames of the terminal account for already.
    before = np.concatenate([np.full((users, 1), -math.inf), done[:, :-1]], axis=1)
    under_way_s = done - np.maximum(at_server - (users * up_s)[:, None], before)
    waiting_s = np.maximum(under_way_s - (up_s + down_s)[:, None], np.where(travels, server_s, 0.0)[:, None])
    own_j = (
        np.array([split.terminal_flop for split in splits]) * terminal.j_per_flop
        + terminal.sending_w * up_s
        + terminal.receive_w * down_s
    )
    terminal_j = own_j[:, None] + terminal.idle_w * waiting_s
    network_j = access_point.share_w * (up_s + down_s) + server.active_w * server_s
    return SharedRun(due, at_server, served, done, terminal_j, terminal_j + network_j[:, None])


def _first_come_first_served(reached_s: Seconds, service_s: Seconds) -> Seconds:
    """Departures (users, frames) of one queue for all users; of frames at the same moment the first user's is first."""
    order = np.argsort(reached_s, axis=None, kind="stable")
    services = np.repeat(service_s, reached_s.shape[1])[order]
    departures, free_s = [], -math.inf
    for reached, service in zip(reached_s.ravel()[order].tolist(), services.tolist(), strict=True):
        free_s = max(reached, free_s) + service
        departures.append(free_s)
    done = np.empty(reached_s.size)
    done[order] = departures
    return done.reshape(reached_s.shape)


def _queue(reached_s: Seconds, service_s: Seconds) -> Seconds:
    """Departures (users, frames) of one queue per user, whose frames reach it in order."""
    done = np.empty_like(reached_s)
    free_s = np.full(len(reached_s), -math.inf)
    for frame in range(reached_s.shape[1]):
        free_s = np.maximum(reached_s[:, frame], free_s) + service_s
        done[:, frame] = free_s
    return done
