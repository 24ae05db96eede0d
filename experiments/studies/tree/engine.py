"""The fast engine: the model of model.py as one loop over at most five pending events.

There are only five things that can happen next: an arrival, the end of what the base station does, the end of
what the edge server does, a request becoming known, an announced result. Holding their times in five fields
replaces the event heap; whole picoseconds keep every sum exact. ``tests/experiments/studies/tree`` proves packet by
packet and state by state that the outcome equals that of ``simpy_model.py``.
"""

from __future__ import annotations

from collections import deque

from experiments.studies.tree.model import Discipline, Machine, Outcome, SleepMode, Traffic, outcome

_NEVER = 1 << 62
# Plain integers of model.Station and model.Server: an attribute of an enum costs more than the event itself.
_B_SLEEP, _B_SWITCH, _B_AWAKE, _B_TRANSMIT = range(4)
_S_SLEEP, _S_SWITCH, _S_WAIT, _S_PREFILL, _S_DECODE, _S_BLOCKED = range(6)
_DELIVERED, _DROPPED = 1, 2
_VR = 0
"""Service of packets that need no inference."""


def simulate(traffic: Traffic, machine: Machine) -> Outcome:
    """Run ``traffic`` through ``machine``."""
    run = _Run(traffic, machine)
    run.to(traffic.horizon_ps)
    return outcome(
        run.fate,
        run.delivered,
        (run.station_times, run.station_states),
        (run.server_times, run.server_states),
        traffic.horizon_ps,
    )


class _Run:
    """The model between two events: queues, states of base station and server, and the time of each next event."""

    __slots__ = (
        "ai_entry",
        "ai_queue",
        "ai_room",
        "air",
        "announced",
        "arrival",
        "await_ps",
        "batch",
        "bs_prewake_ps",
        "cycle_ps",
        "decode_ps",
        "delivered",
        "dtx",
        "dvfs",
        "es_room",
        "fate",
        "inferring",
        "known",
        "notice",
        "notices",
        "parked",
        "predictive",
        "prefill_ps",
        "requests",
        "sending",
        "server",
        "server_states",
        "server_switch_ps",
        "server_times",
        "services",
        "station",
        "station_states",
        "station_switch_ps",
        "station_times",
        "t_announce",
        "t_arrival",
        "t_notice",
        "t_server",
        "t_station",
        "times",
        "up",
        "vr_entry",
        "vr_first",
        "vr_queue",
        "vr_room",
        "waking",
    )

    def __init__(self, traffic: Traffic, machine: Machine) -> None:
        self.times, self.services = [*traffic.time_ps.tolist(), _NEVER], traffic.service.tolist()
        self.air = traffic.transmit_ps(machine).tolist()
        self._take(machine)
        count = len(self.services)
        self.fate, self.delivered = bytearray(count), [-1] * count
        self.vr_queue: deque[int] = deque()
        self.ai_queue: deque[int] = deque()
        self.vr_entry: deque[int] = deque()  # times of entry; only first come, first served looks at them
        self.ai_entry: deque[int] = deque()
        self.requests: deque[int] = deque()
        self.station = _B_SLEEP if self.dtx else _B_AWAKE
        self.server = _S_SLEEP if self.dvfs else _S_WAIT
        self.station_times, self.station_states = [0], [self.station]
        self.server_times, self.server_states = [0], [self.server]
        self.sending = -1
        self.inferring: list[int] = []
        self.parked: deque[int] = deque()
        self.waking = self.up = False  # direction of the switch in progress
        self.announced = False
        self.notices = 0
        self.arrival = self.notice = 0
        known = [
            max(0, time - machine.es_prewake_ps)
            for time, service in zip(self.times[:-1], self.services, strict=True)
            if service != _VR
        ]
        self.known = [*known, _NEVER] if self.predictive else [_NEVER]
        self.t_arrival, self.t_notice = self.times[0], self.known[0]
        self.t_station = self.t_server = self.t_announce = _NEVER

    def _take(self, machine: Machine) -> None:
        """Settings of ``machine`` as plain fields."""
        services = range(len(machine.prefill_ps))
        self.prefill_ps = [(0, *machine.prefills_ps(service)) for service in services]
        self.decode_ps = [(0, *machine.decodes_ps(service)) for service in services]
        self.batch = machine.batch
        self.vr_room, self.ai_room, self.es_room = machine.vr_buffer, machine.ai_buffer, machine.es_buffer
        self.cycle_ps, self.station_switch_ps = machine.dtx_cycle_ps, machine.dtx_switch_ps
        self.await_ps, self.server_switch_ps = machine.es_await_ps, machine.es_switch_ps
        self.bs_prewake_ps = machine.bs_prewake_ps
        self.dtx, self.dvfs = machine.sleep.dtx, machine.sleep.dvfs
        self.predictive = machine.sleep is SleepMode.PREDICTIVE
        self.vr_first = machine.discipline is Discipline.VR_FIRST

    def to(self, horizon_ps: int) -> None:
        """All events before ``horizon_ps``; of events at one time the order is that of the branches."""
        while True:
            arrival, station, server, notice = self.t_arrival, self.t_station, self.t_server, self.t_notice
            now = arrival if arrival <= station else station
            if server < now:
                now = server
            if notice < now:
                now = notice
            if self.t_announce < now:
                now = self.t_announce
            if now >= horizon_ps:
                return
            if now == arrival:
                self._arrives(now)
            elif now == station:
                self._station_ends(now)
            elif now == server:
                self._server_ends(now)
            elif now == notice:
                self._request_is_known(now)
            else:
                self._result_is_announced(now)

    # The five events.

    def _arrives(self, now: int) -> None:
        packet = self.arrival
        self.arrival = packet + 1
        self.t_arrival = self.times[packet + 1]
        if self.services[packet] == _VR:
            if len(self.vr_queue) >= self.vr_room:
                self.fate[packet] = _DROPPED
                return
            self.vr_queue.append(packet)
            self.vr_entry.append(now)
            self._traffic_waits(now)
            return
        if self.predictive:
            self.notices -= 1
        if len(self.requests) >= self.es_room:
            self.fate[packet] = _DROPPED
            return
        self.requests.append(packet)
        if self.server == _S_WAIT:
            self._serve_next(now)
        elif self.server == _S_SLEEP and not self.parked:
            self._wake_server(now)

    def _station_ends(self, now: int) -> None:
        if self.station == _B_TRANSMIT:
            self.fate[self.sending] = _DELIVERED
            self.delivered[self.sending] = now
            self._send_next(now)
        elif self.station == _B_SLEEP:  # a cycle starts and there is traffic
            self._wake_station(now)
        elif self.waking:
            self._send_next(now)
        else:  # asleep from now on
            self._station_is(now, _B_SLEEP, _NEVER)
            if self.announced:
                self._wake_station(now)
            elif self.vr_queue or self.ai_queue:
                self.t_station = now + -now % self.cycle_ps

    def _server_ends(self, now: int) -> None:
        if self.server == _S_PREFILL:
            length = self.decode_ps[self.services[self.inferring[0]]][len(self.inferring)]
            if self.predictive:
                self.t_announce = now + max(0, length - self.bs_prewake_ps)
            self._server_is(now, _S_DECODE, now + length)
        elif self.server == _S_DECODE:
            self._results_are_ready(now)
        elif self.server != _S_SWITCH:  # waited or was blocked for one awaiting cycle
            self.up = False
            self._server_is(now, _S_SWITCH, now + self.server_switch_ps)
        elif self.up:
            self._serve_next(now)
        else:
            self._server_is(now, _S_SLEEP, _NEVER)
            if not self.parked and (self.requests or self.notices):
                self._wake_server(now)

    def _request_is_known(self, now: int) -> None:
        self.notice += 1
        self.t_notice = self.known[self.notice]
        self.notices += 1
        if self.server == _S_SLEEP and not self.parked:
            self._wake_server(now)

    def _result_is_announced(self, now: int) -> None:
        self.t_announce = _NEVER
        self.announced = True
        if self.station == _B_SLEEP:
            self._wake_station(now)

    # What they bring about.

    def _results_are_ready(self, now: int) -> None:
        """Into the base station's queue; what it has no room for the server keeps, and is blocked."""
        self.announced = False
        room = self.ai_room - len(self.ai_queue)
        for packet in self.inferring[:room]:
            self.ai_queue.append(packet)
            self.ai_entry.append(now)
        self.parked.extend(self.inferring[room:])
        if self.parked:
            self._server_is(now, _S_BLOCKED, now + self.await_ps if self.dvfs else _NEVER)
        else:
            self._serve_next(now)
        if room:
            self._traffic_waits(now)

    def _traffic_waits(self, now: int) -> None:
        """A packet came into a queue: an idle base station sends it; one that sleeps wakes at its next cycle."""
        if self.station == _B_AWAKE:
            self._send_next(now)
        elif self.station == _B_SLEEP and self.t_station == _NEVER:
            self.t_station = now + -now % self.cycle_ps

    def _send_next(self, now: int) -> None:
        """The base station picks a packet; without one it goes to sleep or waits awake."""
        if self.vr_queue and (not self.ai_queue or self.vr_first or self.vr_entry[0] <= self.ai_entry[0]):
            self.sending = self.vr_queue.popleft()
            self.vr_entry.popleft()
        elif self.ai_queue:
            self.sending = self.ai_queue.popleft()
            self.ai_entry.popleft()
            if self.parked:
                self._unpark(now)
        else:
            self.sending = -1
        if self.sending >= 0:
            self._station_is(now, _B_TRANSMIT, now + self.air[self.sending])
        elif self.dtx and not self.announced:
            self.waking = False
            self._station_is(now, _B_SWITCH, now + self.station_switch_ps)
        else:
            self._station_is(now, _B_AWAKE, _NEVER)

    def _unpark(self, now: int) -> None:
        """A result that the server kept takes the free place of the queue."""
        self.ai_queue.append(self.parked.popleft())
        self.ai_entry.append(now)
        if self.parked:
            return
        if self.server == _S_BLOCKED:
            self._serve_next(now)
        elif self.server == _S_SLEEP and (self.requests or self.notices):
            self._wake_server(now)

    def _serve_next(self, now: int) -> None:
        """The server takes a request with others of its service, or waits for one."""
        if self.requests:
            service = self.services[self.requests[0]]
            self.inferring = self._taken(service) if self.batch > 1 else [self.requests.popleft()]
            self._server_is(now, _S_PREFILL, now + self.prefill_ps[service][len(self.inferring)])
        else:
            self._server_is(now, _S_WAIT, now + self.await_ps if self.dvfs else _NEVER)

    def _taken(self, service: int) -> list[int]:
        """The first requests of ``service``, a full batch at most; the others stay in their order."""
        taken: list[int] = []
        left: deque[int] = deque()
        for packet in self.requests:
            if self.services[packet] == service and len(taken) < self.batch:
                taken.append(packet)
            else:
                left.append(packet)
        self.requests = left
        return taken

    def _wake_station(self, now: int) -> None:
        self.waking = True
        self._station_is(now, _B_SWITCH, now + self.station_switch_ps)

    def _wake_server(self, now: int) -> None:
        self.up = True
        self._server_is(now, _S_SWITCH, now + self.server_switch_ps)

    def _station_is(self, now: int, state: int, until: int) -> None:
        self.station, self.t_station = state, until
        self.station_times.append(now)
        self.station_states.append(state)

    def _server_is(self, now: int, state: int, until: int) -> None:
        self.server, self.t_server = state, until
        self.server_times.append(now)
        self.server_states.append(state)
