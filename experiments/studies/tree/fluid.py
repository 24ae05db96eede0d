"""What rates, sizes, buffers and powers give without any queueing: the claims judged before anything is simulated.

Work flows at its mean rate. The edge server takes both of its services in proportion to their arrivals, up to all
of its time; the downlink takes VR first or, first come first served, what its buffers let in; what AI results find
no room for stops the server (back-pressure); its batches are as small as keep up with the requests. Both machines sleep
whenever they have nothing to do, and neither waiting nor switching takes time. A claim that has the same verdict here
as in the simulation holds (or fails) by construction: it says what was put into the model, and the simulation adds
nothing to it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from experiments.studies.tree.conditions import Curves
from experiments.studies.tree.measure import Counting
from experiments.studies.tree.model import Discipline, Machine, Server, Service, Station
from experiments.studies.tree.power import SERVER_COMPONENTS, STATION_COMPONENTS, StatePowers
from experiments.studies.tree.serving import ALONE, Serving
from experiments.studies.tree.settings import Reading, Setting, grid, rates_per_s


def fluid_curves(
    reading: Reading, sweep: Service, machine: Machine, powers: StatePowers, serving: Serving = ALONE
) -> Curves:
    """Figures of one sweep as the claims read them, shape (1, points): there is no chance, hence one seed."""
    setting = Setting(sweep, reading.background, reading.discipline, serving=serving)
    points = [
        _point(rates_per_s(setting, machine, relative), machine, powers, reading) for relative in grid(sweep)
    ]
    return {name: np.array([[point[name] for point in points]]) for name in points[0]}


def served_per_s(rates: Sequence[float], machine: Machine) -> tuple[float, float, float]:
    """Packets of VR, VU and VG delivered per second."""
    air = [machine.air_s(service) for service in Service]
    asked = _asked(rates, machine, batch_of(rates, machine))
    taken = 1.0 if asked <= 1.0 else 1.0 / asked
    results = [rate * taken for rate in rates[1:]]
    ai_air = results[0] * air[1] + results[1] * air[2]
    vr_air = rates[0] * air[0]
    if machine.discipline is Discipline.VR_FIRST or vr_air + ai_air <= 1.0:
        room = max(0.0, 1.0 - vr_air)
    else:
        # Both buffers stay full: in the order of entry, a whole AI buffer passes with a whole VR buffer.
        mean_s = ai_air / sum(results) if sum(results) > 0 else air[1]
        passing = machine.ai_buffer * mean_s
        room = max(1.0 - vr_air, passing / (machine.vr_buffer * air[0] + passing))
    share = 1.0 if ai_air <= room else room / ai_air
    vr = min(rates[0], (1.0 - share * ai_air) / air[0])
    return vr, results[0] * share, results[1] * share


def batch_of(rates: Sequence[float], machine: Machine) -> int:
    """The smallest batch with which the server keeps up; the largest where it does with none."""
    sizes = range(1, machine.batch + 1)
    return next((size for size in sizes if _asked(rates, machine, size) <= 1.0), machine.batch)


def _asked(rates: Sequence[float], machine: Machine, batch: int) -> float:
    """Share of the server's time that is asked for."""
    return sum(rates[service] * sum(machine.request_s(service, batch)) for service in Service)


def _point(
    rates: Sequence[float], machine: Machine, powers: StatePowers, reading: Reading
) -> dict[str, float]:
    served = served_per_s(rates, machine)
    shares = [machine.request_s(service, batch_of(rates, machine)) for service in Service]
    prefill = sum(n * one for n, (one, _) in zip(served, shares, strict=True))
    decode = sum(n * one for n, (_, one) in zip(served, shares, strict=True))
    sending = sum(n * machine.air_s(service) for n, service in zip(served, Service, strict=True))
    server = np.zeros(len(Server))
    server[Server.PREFILL], server[Server.DECODE] = prefill, decode
    server[Server.SLEEP] = 1.0 - prefill - decode
    station = np.zeros(len(Station))
    station[Station.TRANSMIT], station[Station.SLEEP] = sending, 1.0 - sending
    server_w = float(sum(powers.server[name] @ server for name in SERVER_COMPONENTS))
    total_w = server_w + float(sum(powers.station[name] @ station for name in STATION_COMPONENTS))
    bits = sum(n * size for n, size in zip(served, machine.payload_bits, strict=True))
    made = sum(n * k for n, k in zip(served, machine.output_tokens, strict=True))
    given = sum(n * k for n, k in zip(served, machine.input_tokens, strict=True))
    tokens = {Counting.OUTPUT: made, Counting.INPUT: given, Counting.BOTH: given + made}[reading.counting]
    inference_w = float(sum(powers.server[name][Server.PREFILL] for name in SERVER_COMPONENTS))
    return {
        "ee": bits / total_w,
        "tree": (bits + reading.alpha_bits_per_token * tokens) / total_w,
        "tokens": tokens,
        "server_w": server_w,
        "memory_w": float(powers.server["memory"] @ server),
        "prefill_w": inference_w * prefill,
        "vu_per_s": served[Service.VU],
        "ai_bits_per_s": bits - served[Service.VR] * machine.payload_bits[Service.VR],
    }
