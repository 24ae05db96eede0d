"""Energy and latency of local, full and partial offloading: (E1)-(E3) of methods.md section 6, pure.

    (E1) local   E = kappa f^2 X                                              t = X / f
    (E2) full    E = (p/eta + p_circ) D/r + P_idle X/f_e + p_rx D_out/r_d
    (E3) cut k   E = sum_{l<=k} kappa f^2 X_l + (p/eta + p_circ) D_k/r + P_idle sum_{l>k} X_l/f_e + p_rx D_out/r_d

(E1) and (E2) are (E3) cut after the last and before the first layer, so one function computes all three. X is
counted in FLOP on a split network and becomes cycles by the terminal's ``cycles_per_flop``. D and D_out are bytes
including framing. Energies are per inference and above each machine's static power; what static power adds while
an inference lasts is a quantity of its own (``Cost.terminal_static_j``), since (E1)-(E3) leave it out.

The system is the terminal, the access point's share while this terminal is on the air, and the server's power
above idle while it computes for this terminal. Left out: the network behind the access point, manufacture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from carbon_data.units import BITS_PER_BYTE


def _check(owner: object, names: tuple[str, ...], *, positive: bool) -> None:
    for name in names:
        value = getattr(owner, name)
        if not math.isfinite(value) or value < 0 or (positive and value == 0):
            bound = "> 0" if positive else ">= 0"
            raise ValueError(f"{type(owner).__name__}.{name} is {value}; allowed is a finite number {bound}")


@dataclass(frozen=True, slots=True)
class Terminal:
    """The device that owns the input and the battery."""

    kappa_j_s2: float
    """Effective switched capacitance: joules per cycle and hertz squared."""
    clock_hz: float
    cycles_per_flop: float
    static_w: float
    """Flows at all times; in none of (E1)-(E3)."""
    transmit_w: float
    """p, radiated."""
    amplifier_efficiency_fraction: float
    """eta_PA."""
    circuit_w: float
    """p_circ, radio circuits while sending, above static."""
    receive_w: float
    """p_rx, radio circuits while receiving, above static."""
    idle_w: float
    """P_idle, waiting for the answer with the radio connected, above static."""

    def __post_init__(self) -> None:
        _check(self, ("kappa_j_s2", "clock_hz", "cycles_per_flop"), positive=True)
        _check(self, ("static_w", "transmit_w", "circuit_w", "receive_w", "idle_w"), positive=False)
        if not 0 < self.amplifier_efficiency_fraction <= 1:
            raise ValueError(
                f"amplifier_efficiency_fraction is {self.amplifier_efficiency_fraction}; allowed is 0 < eta <= 1"
            )

    @property
    def flop_per_s(self) -> float:
        """f / cycles per FLOP."""
        return self.clock_hz / self.cycles_per_flop

    @property
    def j_per_flop(self) -> float:
        """kappa f^2 times cycles per FLOP."""
        return self.kappa_j_s2 * self.clock_hz**2 * self.cycles_per_flop

    @property
    def sending_w(self) -> float:
        """p / eta_PA + p_circ."""
        return self.transmit_w / self.amplifier_efficiency_fraction + self.circuit_w


@dataclass(frozen=True, slots=True)
class Server:
    """The edge server; its idle power flows whether or not this terminal asks."""

    flop_per_s: float
    """f_e, at one request at a time."""
    active_w: float
    """Above idle, while it computes."""

    def __post_init__(self) -> None:
        _check(self, ("flop_per_s",), positive=True)
        _check(self, ("active_w",), positive=False)


@dataclass(frozen=True, slots=True)
class AccessPoint:
    """What the network side spends while this terminal is on the air."""

    share_w: float
    """The terminal's share of the access point's power, by its share of the band."""

    def __post_init__(self) -> None:
        _check(self, ("share_w",), positive=False)


@dataclass(frozen=True, slots=True)
class Link:
    """Rates at one moment, of payload with framing."""

    up_bit_per_s: float
    down_bit_per_s: float

    def __post_init__(self) -> None:
        _check(self, ("up_bit_per_s", "down_bit_per_s"), positive=True)


@dataclass(frozen=True, slots=True)
class Split:
    """How one inference is shared out; nothing sent means nothing waited for."""

    terminal_flop: float
    server_flop: float
    up_bytes: float
    down_bytes: float

    def __post_init__(self) -> None:
        _check(self, ("terminal_flop", "server_flop", "up_bytes", "down_bytes"), positive=False)
        if self.up_bytes == 0 and (self.server_flop > 0 or self.down_bytes > 0):
            raise ValueError(
                f"the server computes {self.server_flop:g} FLOP and answers {self.down_bytes:g} bytes though nothing "
                "is sent to it; give up_bytes"
            )


@dataclass(frozen=True, slots=True)
class Cost:
    """Joules and seconds of one inference, by what causes them."""

    compute_j: float
    transmit_j: float
    idle_j: float
    receive_j: float
    access_point_j: float
    server_j: float
    terminal_static_j: float
    """Static power of the terminal while the inference lasts; in no sum below."""
    compute_s: float
    transmit_s: float
    server_s: float
    receive_s: float

    @property
    def terminal_j(self) -> float:
        """(E3)."""
        return self.compute_j + self.transmit_j + self.idle_j + self.receive_j

    @property
    def system_j(self) -> float:
        """Terminal, access point and server."""
        return self.terminal_j + self.access_point_j + self.server_j

    @property
    def latency_s(self) -> float:
        """Computing, sending, the server's computing and its answer, one after the other."""
        return self.compute_s + self.transmit_s + self.server_s + self.receive_s


def cost(split: Split, terminal: Terminal, server: Server, access_point: AccessPoint, link: Link) -> Cost:
    """(E3), and with it (E1) and (E2), for one inference."""
    compute_s = split.terminal_flop / terminal.flop_per_s
    transmit_s = BITS_PER_BYTE * split.up_bytes / link.up_bit_per_s
    server_s = split.server_flop / server.flop_per_s
    receive_s = BITS_PER_BYTE * split.down_bytes / link.down_bit_per_s
    return Cost(
        compute_j=split.terminal_flop * terminal.j_per_flop,
        transmit_j=terminal.sending_w * transmit_s,
        idle_j=terminal.idle_w * server_s,
        receive_j=terminal.receive_w * receive_s,
        access_point_j=access_point.share_w * (transmit_s + receive_s),
        server_j=server.active_w * server_s,
        terminal_static_j=terminal.static_w * (compute_s + transmit_s + server_s + receive_s),
        compute_s=compute_s,
        transmit_s=transmit_s,
        server_s=server_s,
        receive_s=receive_s,
    )


def shannon_bit_per_s(
    bandwidth_hz: float, received_w: float, noise_w_per_hz: float, efficiency_fraction: float = 1.0
) -> float:
    """r = W log2(1 + p h / (N0 W)) of (E2), times what a real modem reaches of it.

    Args:
        bandwidth_hz: W.
        received_w: p h.
        noise_w_per_hz: N0, the receiver's noise figure included.
        efficiency_fraction: 1 for the bound itself.

    Raises:
        ValueError: a quantity not finite or not positive.
    """
    for name, value in (
        ("bandwidth_hz", bandwidth_hz),
        ("received_w", received_w),
        ("noise_w_per_hz", noise_w_per_hz),
        ("efficiency_fraction", efficiency_fraction),
    ):
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name} is {value}; allowed is a finite number > 0")
    # log1p: at a signal far below the noise log2(1 + x) would lose all digits.
    snr = received_w / (noise_w_per_hz * bandwidth_hz)
    return efficiency_fraction * bandwidth_hz * math.log1p(snr) / math.log(2.0)
