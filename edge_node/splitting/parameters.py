"""Parameters of (E1)-(E3), every one with its source, and what follows from them."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from importlib import resources
from types import MappingProxyType

from edge_node.energy.boards import BoardProfile, load_board
from edge_node.energy.sourced import Figure, exact_figures
from edge_node.splitting.energy import AccessPoint, Link, Server, Terminal, shannon_bit_per_s

DEFAULT_BOARD = "raspberry-pi-4b"
_UNITS = MappingProxyType(
    {
        "clock_hz": "Hz",
        "transmit_w": "W",
        "amplifier_efficiency_fraction": "1",
        "circuit_w": "W",
        "receive_w": "W",
        "idle_w": "W",
        "bandwidth_hz": "Hz",
        "noise_w_per_hz": "W/Hz",
        "path_loss_1km_db": "dB",
        "path_loss_slope_db": "dB",
        "link_efficiency_fraction": "1",
        "access_point_w": "W",
        "access_point_band_hz": "Hz",
        "server_active_w": "W",
        "server_flop_per_s": "FLOP/s",
        "int8_cost_fraction": "1",
    }
)


@dataclass(frozen=True, slots=True)
class Parameters:
    """Figures of ``parameters.toml`` as numbers; names carry units."""

    clock_hz: float
    transmit_w: float
    amplifier_efficiency_fraction: float
    circuit_w: float
    receive_w: float
    idle_w: float
    bandwidth_hz: float
    noise_w_per_hz: float
    path_loss_1km_db: float
    path_loss_slope_db: float
    link_efficiency_fraction: float
    access_point_w: float
    access_point_band_hz: float
    server_active_w: float
    server_flop_per_s: float
    int8_cost_fraction: float
    """Of an int8 multiplication and addition, against float32."""

    def terminal(self, board: BoardProfile) -> Terminal:
        """A terminal made from ``board``.

        kappa is what makes (E1) give the board's own power: kappa f^3 = busy_w - static_w.

        Raises:
            ValueError: a board that takes no more power busy than idle.
        """
        figures = board.figures
        dynamic_w = figures["busy_w"].value - figures["static_w"].value
        if dynamic_w <= 0:
            raise ValueError(
                f"board {board.name} takes {figures['busy_w'].value} W busy and {figures['static_w'].value} W idle; "
                "(E1) needs a board that takes more power busy"
            )
        return Terminal(
            kappa_j_s2=dynamic_w / self.clock_hz**3,
            clock_hz=self.clock_hz,
            cycles_per_flop=self.clock_hz / figures["effective_flop_per_s"].value,
            static_w=figures["static_w"].value,
            transmit_w=self.transmit_w,
            amplifier_efficiency_fraction=self.amplifier_efficiency_fraction,
            circuit_w=self.circuit_w,
            receive_w=self.receive_w,
            idle_w=self.idle_w,
        )

    def server(self) -> Server:
        """The edge server."""
        return Server(self.server_flop_per_s, self.server_active_w)

    def access_point(self) -> AccessPoint:
        """The terminal's share of the access point."""
        return AccessPoint(self.access_point_w * min(1.0, self.bandwidth_hz / self.access_point_band_hz))

    def link(self, distance_m: float, shadowing_db: float = 0.0) -> Link:
        """Rates at a distance from the access point; both directions alike (the answer is a few bytes).

        Args:
            distance_m: Metres, > 0.
            shadowing_db: Loss beside that of the distance, of either sign.

        Raises:
            ValueError: a distance that is none.
        """
        if not (math.isfinite(distance_m) and distance_m > 0):
            raise ValueError(f"distance_m is {distance_m}; allowed is a finite number > 0")
        loss_db = (
            self.path_loss_1km_db + self.path_loss_slope_db * math.log10(distance_m / 1000.0) + shadowing_db
        )
        rate = shannon_bit_per_s(
            self.bandwidth_hz,
            self.transmit_w * 10.0 ** (-loss_db / 10.0),
            self.noise_w_per_hz,
            self.link_efficiency_fraction,
        )
        return Link(rate, rate)


def load_figures() -> dict[str, Figure]:
    """The packaged figures with their sources. Raises SourceError for one missing or in another unit."""
    names = [field.name for field in fields(Parameters)]
    text = (resources.files(__package__) / "parameters.toml").read_text(encoding="utf-8")
    return exact_figures(text, "parameters.toml", names, _UNITS.__getitem__)


def load_parameters() -> Parameters:
    """The packaged figures as numbers."""
    return Parameters(**{name: figure.value for name, figure in load_figures().items()})


def default_terminal() -> Terminal:
    """The packaged terminal on the packaged board."""
    return load_parameters().terminal(load_board(DEFAULT_BOARD))
