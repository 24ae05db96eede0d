"""The fast engine: the model of model.py as one loop over at most five pending events.

There are only five things that can happen next: an arrival, the end of what the base station does, the end of
what the edge server does, a request becoming known, an announced result. Holding their times in local variables
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


def simulate(traffic: Traffic, machine: Machine) -> Outcome:
    """Run ``traffic`` through ``machine``."""
    times, services = traffic.time_ps.tolist(), traffic.service.tolist()
    horizon, count = traffic.horizon_ps, len(times)
    transmit, prefill, decode = machine.transmit_ps, machine.prefill_ps, machine.decode_ps
    vr_room, ai_room, es_room = machine.vr_buffer, machine.ai_buffer, machine.es_buffer
    cycle, b_switch = machine.dtx_cycle_ps, machine.dtx_switch_ps
    await_ps, s_switch = machine.es_await_ps, machine.es_switch_ps
    dtx, dvfs = machine.sleep.dtx, machine.sleep.dvfs
    predictive = machine.sleep is SleepMode.PREDICTIVE
    vr_first = machine.discipline is Discipline.VR_FIRST

    fate, delivered = bytearray(count), [-1] * count
    b_times, b_states = [0], [_B_SLEEP if dtx else _B_AWAKE]
    s_times, s_states = [0], [_S_SLEEP if dvfs else _S_WAIT]
    vr_queue: deque[int] = deque()
    ai_queue: deque[int] = deque()
    vr_entry: deque[int] = deque()  # times of entry; only first come, first served looks at them
    ai_entry: deque[int] = deque()
    requests: deque[int] = deque()

    station, server = b_states[0], s_states[0]
    sending = inferring = parked = -1
    waking = up = False  # direction of the switch in progress
    notices, announced = 0, False
    known = [max(0, t - machine.es_prewake_ps) for t, s in zip(times, services, strict=True) if s]
    known = [*known, _NEVER] if predictive else [_NEVER]
    times.append(_NEVER)

    arrival, notice = 0, 0
    t_arrival, t_station, t_server, t_notice, t_announce = times[0], _NEVER, _NEVER, known[0], _NEVER
    while True:
        choose = free = False  # the base station picks a packet; the server picks what to do next
        if (
            t_arrival <= t_station
            and t_arrival <= t_server
            and t_arrival <= t_notice
            and t_arrival <= t_announce
        ):
            now = t_arrival
            if now >= horizon:
                break
            packet = arrival
            arrival += 1
            t_arrival = times[arrival]
            if services[packet] == 0:
                if len(vr_queue) >= vr_room:
                    fate[packet] = _DROPPED
                    continue
                vr_queue.append(packet)
                vr_entry.append(now)
                if station == _B_SLEEP:
                    if t_station == _NEVER:
                        t_station = now + -now % cycle
                    continue
                if station != _B_AWAKE:
                    continue
                choose = True
            else:
                if predictive:
                    notices -= 1
                if len(requests) >= es_room:
                    fate[packet] = _DROPPED
                    continue
                requests.append(packet)
                if server == _S_WAIT:
                    free = True
                elif server == _S_SLEEP and parked < 0:
                    server, up, t_server = _S_SWITCH, True, now + s_switch
                    s_times.append(now)
                    s_states.append(_S_SWITCH)
                    continue
                else:
                    continue
        elif t_station <= t_server and t_station <= t_notice and t_station <= t_announce:
            now = t_station
            if now >= horizon:
                break
            if station == _B_TRANSMIT:
                fate[sending] = _DELIVERED
                delivered[sending] = now
                choose = True
            elif station == _B_SLEEP:  # a cycle starts and there is traffic
                station, waking, t_station = _B_SWITCH, True, now + b_switch
                b_times.append(now)
                b_states.append(_B_SWITCH)
                continue
            elif waking:
                choose = True
            else:  # asleep from now on
                station = _B_SLEEP
                b_times.append(now)
                b_states.append(_B_SLEEP)
                t_station = _NEVER
                if announced:
                    station, waking, t_station = _B_SWITCH, True, now + b_switch
                    b_times.append(now)
                    b_states.append(_B_SWITCH)
                elif vr_queue or ai_queue:
                    t_station = now + -now % cycle
                continue
        elif t_server <= t_notice and t_server <= t_announce:
            now = t_server
            if now >= horizon:
                break
            if server == _S_PREFILL:
                server = _S_DECODE
                length = decode[services[inferring]]
                t_server = now + length
                if predictive:
                    t_announce = now + max(0, length - machine.bs_prewake_ps)
                s_times.append(now)
                s_states.append(_S_DECODE)
                continue
            if server == _S_DECODE:
                announced = False
                if len(ai_queue) < ai_room:
                    ai_queue.append(inferring)
                    ai_entry.append(now)
                    free = True
                    if station == _B_AWAKE:
                        choose = True
                    elif station == _B_SLEEP and t_station == _NEVER:
                        t_station = now + -now % cycle
                else:
                    parked, server = inferring, _S_BLOCKED
                    t_server = now + await_ps if dvfs else _NEVER
                    s_times.append(now)
                    s_states.append(_S_BLOCKED)
                    continue
            elif server == _S_SWITCH:
                if up:
                    free = True
                else:
                    s_times.append(now)
                    s_states.append(_S_SLEEP)
                    server, t_server = _S_SLEEP, _NEVER
                    if parked < 0 and (requests or notices):
                        server, up, t_server = _S_SWITCH, True, now + s_switch
                        s_times.append(now)
                        s_states.append(_S_SWITCH)
                    continue
            else:  # waited or was blocked for one awaiting cycle
                server, up, t_server = _S_SWITCH, False, now + s_switch
                s_times.append(now)
                s_states.append(_S_SWITCH)
                continue
        elif t_notice <= t_announce:
            now = t_notice
            if now >= horizon:
                break
            notice += 1
            t_notice = known[notice]
            notices += 1
            if server == _S_SLEEP and parked < 0:
                server, up, t_server = _S_SWITCH, True, now + s_switch
                s_times.append(now)
                s_states.append(_S_SWITCH)
            continue
        else:
            now = t_announce
            if now >= horizon:
                break
            t_announce = _NEVER
            announced = True
            if station == _B_SLEEP:
                station, waking, t_station = _B_SWITCH, True, now + b_switch
                b_times.append(now)
                b_states.append(_B_SWITCH)
            continue

        if choose:
            if vr_queue and (not ai_queue or vr_first or vr_entry[0] <= ai_entry[0]):
                sending = vr_queue.popleft()
                vr_entry.popleft()
            elif ai_queue:
                sending = ai_queue.popleft()
                ai_entry.popleft()
                if parked >= 0:
                    ai_queue.append(parked)
                    ai_entry.append(now)
                    parked = -1
                    if server == _S_BLOCKED:
                        free = True
                    elif server == _S_SLEEP and (requests or notices):
                        server, up, t_server = _S_SWITCH, True, now + s_switch
                        s_times.append(now)
                        s_states.append(_S_SWITCH)
            else:
                sending = -1
            if sending >= 0:
                station, t_station = _B_TRANSMIT, now + transmit[services[sending]]
            elif dtx and not announced:
                station, waking, t_station = _B_SWITCH, False, now + b_switch
            else:
                station, t_station = _B_AWAKE, _NEVER
            b_times.append(now)
            b_states.append(station)
        if free:
            if requests:
                inferring = requests.popleft()
                server, t_server = _S_PREFILL, now + prefill[services[inferring]]
            else:
                server, t_server = _S_WAIT, now + await_ps if dvfs else _NEVER
            s_times.append(now)
            s_states.append(server)
    return outcome(fate, delivered, (b_times, b_states), (s_times, s_states), horizon)
