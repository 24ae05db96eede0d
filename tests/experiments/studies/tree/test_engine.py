"""The fast engine is the SimPy reference, packet by packet; both keep the rules of the model."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.studies.tree.engine import simulate
from experiments.studies.tree.model import (
    ByBatch,
    Discipline,
    Fate,
    Machine,
    Outcome,
    Server,
    Service,
    SleepMode,
    Station,
    Traffic,
    build_machine,
)
from experiments.studies.tree.parameters import PS_PER_S, load_parameters
from experiments.studies.tree.serving import ALONE, VARIANTS, Serving
from experiments.studies.tree.simpy_model import simulate_simpy
from experiments.studies.tree.traffic import draw

CONFIGURATIONS = [(d, m) for d in Discipline for m in SleepMode]


def _machine(
    discipline: Discipline = Discipline.VR_FIRST, sleep: SleepMode = SleepMode.JOINT, serving: Serving = ALONE
) -> Machine:
    return build_machine(load_parameters(), discipline, sleep, serving)


def _traffic(
    machine: Machine, load: float, seed: int, horizon_s: float = 25.0, serving: Serving = ALONE
) -> Traffic:
    rates = [load * machine.capacity_per_s(s) * (1.0 if s is Service.VR else 0.5) for s in Service]
    return draw(seed, rates, horizon_s, serving.users)


def _assert_equal(got: Outcome, wanted: Outcome) -> None:
    for field in fields(Outcome):
        a, b = getattr(got, field.name), getattr(wanted, field.name)
        assert np.array_equal(a, b), f"{field.name}: {len(np.atleast_1d(a))} against {len(np.atleast_1d(b))}"


@pytest.mark.parametrize(("discipline", "sleep"), CONFIGURATIONS)
def test_fast_engine_equals_simpy(discipline: Discipline, sleep: SleepMode) -> None:
    machine = _machine(discipline, sleep)
    # A server fast enough to fill the downlink alone: otherwise only VR's priority blocks it.
    fast = replace(
        machine,
        prefill_ps=tuple(ps // 37 for ps in machine.prefill_ps),
        decode_ps=tuple(ps // 37 for ps in machine.decode_ps),
    )
    stations, servers, fates = set(), set(), set()
    for seed, (used, load) in enumerate([*((machine, x) for x in (0.05, 0.4, 0.9, 1.1, 2.5)), (fast, 1.2)]):
        traffic = _traffic(used, load, seed)
        got = simulate(traffic, used)
        _assert_equal(got, simulate_simpy(traffic, used))
        stations |= set(got.station.tolist())
        servers |= set(got.server.tolist())
        fates |= set(got.fate.tolist())
    # The comparison is meaningful only where every kind of event occurred.
    assert fates == set(Fate)
    idle = {Station.SLEEP, Station.SWITCH} if sleep.dtx else {Station.AWAKE}
    assert stations >= idle | {Station.TRANSMIT}
    assert servers >= {Server.PREFILL, Server.DECODE, Server.WAIT, Server.BLOCKED}
    assert (Server.SLEEP in servers) == sleep.dvfs


@pytest.mark.parametrize("serving", VARIANTS, ids=lambda serving: serving.label)
@pytest.mark.parametrize(("discipline", "sleep"), CONFIGURATIONS)
def test_batches_and_users_are_those_of_simpy(
    discipline: Discipline, sleep: SleepMode, serving: Serving
) -> None:
    machine = _machine(discipline, sleep, serving)
    for seed, load in enumerate((0.4, 1.1, 2.5)):
        traffic = _traffic(machine, load, seed, 10.0, serving)
        _assert_equal(simulate(traffic, machine), simulate_simpy(traffic, machine))


@given(seed=st.integers(0, 2**32 - 1), configuration=st.sampled_from(CONFIGURATIONS))
def test_fast_engine_equals_simpy_on_any_machine(
    seed: int, configuration: tuple[Discipline, SleepMode]
) -> None:
    rng = np.random.default_rng(seed)

    def some(low: float, high: float) -> int:
        return int(
            10 ** rng.uniform(np.log10(low), np.log10(high))
        )  # ps, no round numbers: no two events meet

    batch, users = int(rng.integers(1, 6)), int(rng.integers(1, 4))

    def more(count: int) -> ByBatch:
        some_of_each = [tuple(some(1e8, 1e11) for _ in range(count)) for _ in Service]
        return some_of_each[0], some_of_each[1], some_of_each[2]

    machine = Machine(
        transmit_ps=(some(1e8, 1e11), some(1e8, 1e11), some(1e8, 1e11)),
        prefill_ps=(0, some(1e8, 1e11), some(1e8, 1e11)),
        decode_ps=(0, some(1e8, 1e11), some(1e8, 1e11)),
        payload_bits=(1, 1, 1),
        input_tokens=(0, 1, 1),
        output_tokens=(0, 1, 1),
        vr_buffer=int(rng.integers(1, 8)),
        ai_buffer=int(rng.integers(1, 4)),
        es_buffer=int(rng.integers(1, 6)),
        dtx_cycle_ps=some(1e9, 1e11),
        dtx_switch_ps=some(1e8, 1e10),
        es_await_ps=some(1e8, 1e11),
        es_switch_ps=some(1e8, 1e11),
        bs_prewake_ps=some(1e8, 1e11),
        es_prewake_ps=some(1e8, 1e11),
        discipline=configuration[0],
        sleep=configuration[1],
        batched_prefill_ps=more(batch - 1),
        batched_decode_ps=more(batch - 1),
        others_transmit_ps=more(users - 1),
    )
    traffic = draw(seed, [float(10 ** rng.uniform(-0.5, 2.0)) for _ in Service], 6.0, users)
    _assert_equal(simulate(traffic, machine), simulate_simpy(traffic, machine))


@pytest.mark.parametrize("load", [0.3, 1.5])
@pytest.mark.parametrize(("discipline", "sleep"), CONFIGURATIONS)
def test_rules_of_the_model(discipline: Discipline, sleep: SleepMode, load: float) -> None:
    machine = _machine(discipline, sleep)
    traffic = _traffic(machine, load, seed=7)
    out = simulate(traffic, machine)
    inside = int((out.fate == Fate.INSIDE).sum())
    room = machine.vr_buffer + machine.ai_buffer + machine.es_buffer
    assert (
        inside <= room + 3
    )  # buffers, one on the air, one in inference or kept by a blocked server, one spare
    done = out.fate == Fate.DELIVERED
    assert np.array_equal(done, out.delivered_ps >= 0)
    # One packet at a time on the air, each for its whole duration.
    on_air = np.array(machine.transmit_ps)[traffic.service]
    order = np.argsort(out.delivered_ps[done])
    ends, lengths = out.delivered_ps[done][order], on_air[done][order]
    assert (np.diff(ends) >= lengths[1:]).all()
    # Nothing is delivered sooner than its own work takes.
    work = np.array(machine.prefill_ps) + np.array(machine.decode_ps) + np.array(machine.transmit_ps)
    assert (out.delivered_ps - traffic.time_ps >= work[traffic.service])[done].all()
    # First come, first served within VR and within AI.
    for mask in (traffic.service == Service.VR, traffic.service != Service.VR):
        assert (np.diff(out.delivered_ps[done & mask]) > 0).all()
    for states, times in ((out.station, out.station_ps), (out.server, out.server_ps)):
        assert times[0] == 0
        assert (np.diff(times) >= 0).all()
        assert (states >= 0).all()
    assert (Station.SLEEP in out.station) <= sleep.dtx
    assert (Server.SLEEP in out.server) == sleep.dvfs


def test_dtx_wakes_at_the_start_of_a_cycle_only() -> None:
    machine = _machine()
    out = simulate(_traffic(machine, 0.3, seed=1), machine)
    asleep = np.flatnonzero(out.station[:-1] == Station.SLEEP)
    assert (out.station[asleep + 1] == Station.SWITCH).all()
    assert (out.station_ps[asleep + 1] % machine.dtx_cycle_ps == 0).all()


def test_server_waits_one_awaiting_cycle_before_it_sleeps() -> None:
    machine = _machine()
    out = simulate(_traffic(machine, 0.3, seed=1), machine)
    waiting = np.flatnonzero(out.server[:-1] == Server.WAIT)
    lasted = out.server_ps[waiting + 1] - out.server_ps[waiting]
    slept = out.server[waiting + 1] == Server.SWITCH
    assert slept.any()
    assert (lasted[slept] == machine.es_await_ps).all()
    assert (lasted[~slept] < machine.es_await_ps).all()


def test_full_downlink_puts_the_server_to_sleep() -> None:
    machine = _machine()
    capacity = [machine.capacity_per_s(s) for s in Service]
    traffic = draw(3, [1.5 * capacity[0], 0.5 * capacity[1], 0.5 * capacity[2]], 60.0)
    out = simulate(traffic, machine)
    late = out.server_ps > 30 * PS_PER_S
    assert Server.PREFILL not in out.server[late]
    assert out.server[-1] == Server.SLEEP


def test_prediction_shortens_delays_and_changes_no_arrival() -> None:
    delays = {}
    for mode in (SleepMode.NONE, SleepMode.PREDICTIVE, SleepMode.JOINT):
        machine = _machine(sleep=mode)
        traffic = _traffic(machine, 0.1, seed=2, horizon_s=200.0)
        out = simulate(traffic, machine)
        both = (out.fate == Fate.DELIVERED) & (traffic.service != Service.VR)
        delays[mode] = float((out.delivered_ps - traffic.time_ps)[both].mean())
    assert delays[SleepMode.NONE] < delays[SleepMode.PREDICTIVE] < delays[SleepMode.JOINT]


def test_a_batch_is_of_one_service_and_its_results_leave_together() -> None:
    machine = replace(
        _machine(sleep=SleepMode.NONE, serving=Serving(batch=3)),
        prefill_ps=(0, 1000, 2000),
        decode_ps=(0, 500, 700),
    )
    # VU comes first and is taken alone; while it is inferred VG, VU, VU, VU and VU wait.
    services = [Service.VU, Service.VG, Service.VU, Service.VU, Service.VU, Service.VU]
    traffic = Traffic(np.array([0, 10, 20, 30, 40, 50]), np.array(services, dtype=np.int8), 10 * PS_PER_S)
    out = simulate(traffic, machine)
    _assert_equal(out, simulate_simpy(traffic, machine))
    begun = out.server_ps[out.server == Server.PREFILL]
    # The first VU, then VG which is next, then three VU, then the last VU.
    assert len(begun) == 4
    lengths = out.server_ps[out.server == Server.DECODE] - begun
    vu = machine.prefills_ps(Service.VU)
    assert lengths.tolist() == [vu[0], 2000, vu[2], vu[0]]
    assert (out.fate == Fate.DELIVERED).all()


def test_results_beyond_the_room_keep_the_server_blocked_until_all_have_left() -> None:
    machine = replace(_machine(sleep=SleepMode.NONE, serving=Serving(batch=8)), ai_buffer=1)
    times = np.arange(9)
    traffic = Traffic(times, np.full(9, Service.VG, dtype=np.int8), 60 * PS_PER_S)
    out = simulate(traffic, machine)
    _assert_equal(out, simulate_simpy(traffic, machine))
    assert (out.fate == Fate.DELIVERED).all()
    blocked = int(out.server_ps[out.server == Server.BLOCKED][0])
    free = int(out.server_ps[np.searchsorted(out.server_ps, blocked) + 1])
    # Eight results: one is on the air, one waits, six are kept; the last of them enters when the sixth has left.
    assert free - blocked == 6 * machine.transmit_ps[Service.VG]
