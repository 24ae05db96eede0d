"""Several terminals on one link and one edge server: (E3) with waiting, frame by frame."""

from __future__ import annotations

import numpy as np
import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_node.energy.boards import load_board
from edge_node.splitting.energy import Link, Server, Split, cost
from edge_node.splitting.parameters import DEFAULT_BOARD, load_parameters
from edge_node.splitting.shared import SharedRun, simulate

PARAMETERS = load_parameters()
TERMINAL = PARAMETERS.terminal(load_board(DEFAULT_BOARD))
ACCESS_POINT = PARAMETERS.access_point()
LINK = Link(1e6, 2e6)
PERIOD_S = 0.1

flops = st.floats(1e4, 2e8)
offloading = st.builds(Split, st.floats(0, 2e8), flops, st.floats(50, 5000), st.floats(10, 100))
local = st.builds(lambda flop: Split(flop, 0.0, 0.0, 0.0), flops)
users = st.lists(st.tuples(offloading | local, st.floats(0, 0.0999)), min_size=1, max_size=5)
servers = st.sampled_from([Server(5e10, 57.0), Server(1e9, 57.0)])


def _run(found: list[tuple[Split, float]], server: Server, frames: int = 6) -> SharedRun:
    splits, offsets = [split for split, _ in found], [offset for _, offset in found]
    return simulate(splits, offsets, TERMINAL, server, ACCESS_POINT, LINK, PERIOD_S, frames)


@settings(max_examples=60)
@given(users, servers)
def test_every_frame_is_answered_once_in_order_and_none_before_its_work_is_done(
    found: list[tuple[Split, float]], server: Server
) -> None:
    run = _run(found, server)
    assert run.done_s.shape == (len(found), 6)
    assert np.isfinite(run.done_s).all()
    for user, (split, _) in enumerate(found):
        least = cost(split, TERMINAL, server, ACCESS_POINT, LINK)
        assert (run.latency_s[user] >= least.latency_s * (1 - 1e-9)).all()
        assert (run.terminal_j[user] >= least.terminal_j * (1 - 1e-9)).all()
        assert (np.diff(run.done_s[user]) >= 0).all()
    sent = np.array([split.up_bytes > 0 for split, _ in found])
    reached, served = run.at_server_s[sent].ravel(), run.served_s[sent].ravel()
    order = np.argsort(reached, kind="stable")
    assert (np.diff(served[order]) >= 0).all()  # first come, first served
    work = np.repeat([split.server_flop / server.flop_per_s for split, _ in found if split.up_bytes > 0], 6)
    # One at a time: work between the first arrival and the last departure fits into that time.
    if len(work):
        assert work.sum() <= (served.max() - reached.min()) * (1 + 1e-9)


@given(offloading | local, servers)
def test_one_terminal_that_never_queues_is_e3(split: Split, server: Server) -> None:
    expected = cost(split, TERMINAL, server, ACCESS_POINT, LINK)
    run = simulate([split], [0.03], TERMINAL, server, ACCESS_POINT, LINK, expected.latency_s + 0.01, 4)
    assert run.latency_s == pytest.approx(expected.latency_s, rel=1e-9, abs=1e-12)
    assert run.terminal_j == pytest.approx(expected.terminal_j, rel=1e-9)
    assert run.system_j == pytest.approx(expected.system_j, rel=1e-9)


@settings(max_examples=60)
@given(offloading | local, servers, st.lists(st.floats(0, 0.0999), min_size=2, max_size=5))
def test_one_terminal_more_of_the_same_kind_makes_nobody_earlier(
    split: Split, server: Server, offsets: list[float]
) -> None:
    many = _run([(split, offset) for offset in offsets], server)
    fewer = _run([(split, offset) for offset in offsets[:-1]], server)
    assert (many.done_s[:-1] >= fewer.done_s - 1e-9).all()


def _with_simpy(found: list[tuple[Split, float]], server: Server, frames: int) -> np.ndarray:
    """The same stages as processes and resources of SimPy: when each answer is there (users, frames)."""
    world = simpy.Environment()
    shared = simpy.Resource(world, 1)
    done = np.full((len(found), frames), np.nan)

    def stage(resource: simpy.Resource, seconds: float):  # type: ignore[no-untyped-def]
        with resource.request() as turn:
            yield turn
            yield world.timeout(seconds)

    def frame(user: int, index: int, split: Split, own: list[simpy.Resource], due_s: float):  # type: ignore[no-untyped-def]
        yield world.timeout(due_s)
        share = len(found)
        yield from stage(own[0], split.terminal_flop / TERMINAL.flop_per_s)
        if split.up_bytes:
            yield from stage(own[1], share * 8 * split.up_bytes / LINK.up_bit_per_s)
            yield from stage(shared, split.server_flop / server.flop_per_s)
            yield from stage(own[2], share * 8 * split.down_bytes / LINK.down_bit_per_s)
        done[user, index] = world.now

    for user, (split, offset) in enumerate(found):
        own = [simpy.Resource(world, 1) for _ in range(3)]
        for index in range(frames):
            world.process(frame(user, index, split, own, offset + PERIOD_S * index))
    world.run()
    return done


@settings(max_examples=40)
@given(st.lists(st.tuples(offloading | local, st.integers(0, 99)), min_size=1, max_size=4), servers)
def test_simpy_finishes_every_frame_at_the_same_moment(
    found: list[tuple[Split, int]], server: Server
) -> None:
    # Odd offsets: frames of two terminals that reach the server together may be served in either order.
    apart = [(split, (offset + 0.1234567 * user) * 1e-3) for user, (split, offset) in enumerate(found)]
    run = _run(apart, server)
    sent = np.array([split.up_bytes > 0 for split, _ in apart])
    reached = np.sort(run.at_server_s[sent].ravel())
    if len(reached) > 1 and np.diff(reached).min() < 1e-9:
        return
    assert _with_simpy(apart, server, 6) == pytest.approx(run.done_s, rel=1e-9)


def test_two_terminals_by_hand() -> None:
    # 12,500 bytes: 0.1 s alone at 1 Mbit/s, 0.2 s at half; the server takes 0.05 s, so that the second one waits.
    split, server = Split(0.0, 5e7, 12500.0, 0.0), Server(1e9, 57.0)
    run = simulate([split, split], [0.0, 0.02], TERMINAL, server, ACCESS_POINT, LINK, 1.0, 1)
    assert run.at_server_s.ravel() == pytest.approx([0.2, 0.22])
    assert run.served_s.ravel() == pytest.approx([0.25, 0.30])
    waited = run.terminal_j[1, 0] - run.terminal_j[0, 0]
    assert waited == pytest.approx(TERMINAL.idle_w * 0.03)
    assert run.terminal_j[0, 0] == pytest.approx(TERMINAL.sending_w * 0.1 + TERMINAL.idle_w * (0.1 + 0.05))


def test_where_frames_pile_up_the_idle_radio_is_paid_for_once() -> None:
    """Sixteen terminals on a link that they fill: while one frame waits for its slots, another queues at the server."""
    users, frames = 16, 100
    split = Split(terminal_flop=0.0, server_flop=2e7, up_bytes=1e3, down_bytes=1.0)
    link, server = Link(up_bit_per_s=1e6, down_bit_per_s=1e9), Server(flop_per_s=1e9, active_w=0.0)
    offsets_s = [0.1 * user / users for user in range(users)]
    run = simulate([split] * users, offsets_s, TERMINAL, server, ACCESS_POINT, link, 0.1, frames)
    up_s, down_s = 8e3 / 1e6, 8.0 / 1e9
    sent_j = frames * (TERMINAL.sending_w * up_s + TERMINAL.receive_w * down_s)
    idle_s = (run.terminal_j.sum(axis=1) - sent_j) / TERMINAL.idle_w
    there_s = run.done_s.max(axis=1) - run.due_s.min(axis=1) - frames * (up_s + down_s)
    assert idle_s == pytest.approx(there_s, rel=1e-9)


def test_what_cannot_be_is_refused() -> None:
    split = Split(1e6, 0.0, 0.0, 0.0)
    for splits, offsets, period_s, frames in (
        ([], [], 0.1, 1),
        ([split], [0.0, 0.1], 0.1, 1),
        ([split], [0.0], 0.0, 1),
        ([split], [0.0], 0.1, 0),
    ):
        with pytest.raises(ValueError, match=r"give one|allowed are"):
            simulate(splits, offsets, TERMINAL, PARAMETERS.server(), ACCESS_POINT, LINK, period_s, frames)
