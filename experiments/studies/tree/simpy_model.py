"""The reference: model.py in SimPy, one process per machine, written to be read. engine.py does the same faster."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from typing import Any

import simpy

from experiments.studies.tree.model import (
    Discipline,
    Fate,
    Machine,
    Outcome,
    Server,
    Service,
    Station,
    Traffic,
    outcome,
)

Process = Generator[simpy.Event, Any, None]


class _Bell:
    """Wakes the processes that wait for it now; without a waiting process it has no effect."""

    def __init__(self, env: simpy.Environment) -> None:
        self._env = env
        self._event = env.event()

    def ring(self) -> None:
        rung, self._event = self._event, self._env.event()
        rung.succeed()

    def wait(self) -> simpy.Event:
        return self._event


class _World:
    """Both machines, their buffers, and what is recorded."""

    def __init__(self, traffic: Traffic, machine: Machine) -> None:
        self.machine = machine
        self.times = traffic.time_ps.tolist()
        self.services = traffic.service.tolist()
        self.horizon_ps = traffic.horizon_ps
        self.env = simpy.Environment(initial_time=0)
        self.dtx, self.dvfs = machine.sleep.dtx, machine.sleep.dvfs
        self.predictive = machine.sleep == machine.sleep.PREDICTIVE

        self.vr_queue: deque[tuple[int, int]] = deque()  # (time of entry, packet)
        self.ai_queue: deque[tuple[int, int]] = deque()
        self.requests: deque[int] = deque()
        self.parked: deque[int] = deque()  # results a blocked server keeps
        self.air_ps = traffic.transmit_ps(machine).tolist()
        self.notices = 0  # requests being received
        self.announced = False  # a result is about to reach the base station

        self.traffic_came = _Bell(self.env)
        self.request_came = _Bell(self.env)
        self.room_made = _Bell(self.env)
        self.prewake_station = _Bell(self.env)

        self.fate = bytearray(len(self.times))
        self.delivered_ps = [-1] * len(self.times)
        self.station_log: tuple[list[int], list[int]] = ([], [])
        self.server_log: tuple[list[int], list[int]] = ([], [])

    @property
    def now(self) -> int:
        """Simulated time, ps; whole, since every delay is."""
        return int(self.env.now)

    def run(self) -> Outcome:
        self.env.process(self.station())
        self.env.process(self.server())
        self.env.process(self.arrivals())
        if self.predictive:
            self.env.process(self.receptions())
        self.env.run(until=self.horizon_ps)
        return outcome(self.fate, self.delivered_ps, self.station_log, self.server_log, self.horizon_ps)

    def set_station(self, state: Station) -> None:
        self.station_log[0].append(self.now)
        self.station_log[1].append(state)

    def set_server(self, state: Server) -> None:
        self.server_log[0].append(self.now)
        self.server_log[1].append(state)

    # ------------------------------------------------------------------ traffic

    def arrivals(self) -> Process:
        for packet, time in enumerate(self.times):
            yield self.env.timeout(time - self.now)
            if self.services[packet] == Service.VR:
                self.enter_or_drop(packet, len(self.vr_queue) < self.machine.vr_buffer)
            else:
                self.notices -= self.predictive
                self.enter_or_drop(packet, len(self.requests) < self.machine.es_buffer)

    def enter_or_drop(self, packet: int, room: bool) -> None:
        if not room:
            self.fate[packet] = Fate.DROPPED
        elif self.services[packet] == Service.VR:
            self.vr_queue.append((self.now, packet))
            self.traffic_came.ring()
        else:
            self.requests.append(packet)
            self.request_came.ring()

    def receptions(self) -> Process:
        """Requests become known while they are still being received."""
        for packet, time in enumerate(self.times):
            if self.services[packet] != Service.VR:
                known = max(0, time - self.machine.es_prewake_ps)
                yield self.env.timeout(known - self.now)
                self.notices += 1
                self.request_came.ring()

    # ------------------------------------------------------------------ base station

    def station(self) -> Process:
        env, machine = self.env, self.machine
        if not self.dtx:
            while True:
                yield from self.transmit_all()
                self.set_station(Station.AWAKE)
                yield self.traffic_came.wait()
        while True:
            self.set_station(Station.SLEEP)
            if not (self.announced or self.vr_queue or self.ai_queue):
                yield self.traffic_came.wait() | self.prewake_station.wait()
            if not self.announced:
                to_next_cycle = -self.now % machine.dtx_cycle_ps
                yield env.timeout(to_next_cycle) | self.prewake_station.wait()
            self.set_station(Station.SWITCH)
            yield env.timeout(machine.dtx_switch_ps)
            while True:
                yield from self.transmit_all()
                if not self.announced:
                    break
                self.set_station(Station.AWAKE)
                yield self.traffic_came.wait()
            self.set_station(Station.SWITCH)
            yield env.timeout(machine.dtx_switch_ps)

    def transmit_all(self) -> Process:
        while self.vr_queue or self.ai_queue:
            packet = self.take()
            self.set_station(Station.TRANSMIT)
            yield self.env.timeout(self.air_ps[packet])
            self.fate[packet] = Fate.DELIVERED
            self.delivered_ps[packet] = self.now

    def take(self) -> int:
        if not self.ai_queue:
            return self.vr_queue.popleft()[1]
        if self.vr_queue and (
            self.machine.discipline is Discipline.VR_FIRST or self.vr_queue[0][0] <= self.ai_queue[0][0]
        ):
            return self.vr_queue.popleft()[1]
        packet = self.ai_queue.popleft()[1]
        if self.parked:
            self.ai_queue.append((self.now, self.parked.popleft()))
            self.room_made.ring()
        return packet

    # ------------------------------------------------------------------ edge server

    def server(self) -> Process:
        env, machine = self.env, self.machine
        while True:
            if self.dvfs:
                self.set_server(Server.SLEEP)
                while self.parked or not (self.requests or self.notices):
                    yield self.request_came.wait() | self.room_made.wait()
                self.set_server(Server.SWITCH)
                yield env.timeout(machine.es_switch_ps)
            yield from self.serve_until_idle()
            self.set_server(Server.SWITCH)
            yield env.timeout(machine.es_switch_ps)

    def serve_until_idle(self) -> Process:
        """Returns when one awaiting cycle passed without anything to do."""
        while True:
            if self.parked:
                self.set_server(Server.BLOCKED)
                deadline = self.now + self.machine.es_await_ps
                while self.parked:
                    if self.dvfs and self.now >= deadline:
                        return
                    yield from self.patiently(self.room_made.wait(), deadline)
            elif self.requests:
                yield from self.infer(self.next_batch())
            else:
                self.set_server(Server.WAIT)
                deadline = self.now + self.machine.es_await_ps
                while not self.requests:  # a notice rings too, but is no request yet
                    if self.dvfs and self.now >= deadline:
                        return
                    yield from self.patiently(self.request_came.wait(), deadline)

    def patiently(self, event: simpy.Event, deadline_ps: int) -> Process:
        """Wait for ``event``, with DVFS no longer than the awaiting cycle."""
        if not self.dvfs:
            yield event
            return
        yield event | self.env.timeout(deadline_ps - self.now)

    def next_batch(self) -> list[int]:
        """The first request and, up to a full batch, those of its service that wait."""
        service = self.services[self.requests[0]]
        batch = [packet for packet in self.requests if self.services[packet] == service][: self.machine.batch]
        for packet in batch:
            self.requests.remove(packet)
        return batch

    def infer(self, batch: list[int]) -> Process:
        service = self.services[batch[0]]
        self.set_server(Server.PREFILL)
        yield self.env.timeout(self.machine.prefills_ps(service)[len(batch) - 1])
        self.set_server(Server.DECODE)
        decode_ps = self.machine.decodes_ps(service)[len(batch) - 1]
        if self.predictive:
            self.env.process(self.announce(decode_ps))
        yield self.env.timeout(decode_ps)
        self.announced = False
        for packet in batch:
            if len(self.ai_queue) < self.machine.ai_buffer:
                self.ai_queue.append((self.now, packet))
            else:
                self.parked.append(packet)
        self.traffic_came.ring()

    def announce(self, decode_ps: int) -> Process:
        yield self.env.timeout(max(0, decode_ps - self.machine.bs_prewake_ps))
        self.announced = True
        self.prewake_station.ring()


def simulate_simpy(traffic: Traffic, machine: Machine) -> Outcome:
    """Run ``traffic`` through ``machine``; the same answer as ``engine.simulate``, slowly."""
    return _World(traffic, machine).run()
