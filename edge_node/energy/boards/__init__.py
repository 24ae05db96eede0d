"""Boards: sourced power, speed and embodied emissions, one TOML file each; what nobody published is named unknown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from types import MappingProxyType

from edge_node.config import BoardConfig, OperatingPoint
from edge_node.energy.points import check_points, points_of
from edge_node.energy.sourced import Figure, SourceError, Unknown, figures_of, parsed, read_text

_UNITS = MappingProxyType(
    {
        "static_w": "W",
        "busy_w": "W",
        "sleep_w": "W",
        "wake_j": "J",
        "wake_s": "s",
        "effective_flop_per_s": "FLOP/s",
        "tx_j_per_byte": "J/byte",
        "rx_j_per_byte": "J/byte",
        "storage_bytes": "byte",
    }
)
"""What a model of the board needs."""
SLEEP = ("sleep_w", "wake_j", "wake_s")
"""A board without one of them does not sleep by the model; all others are needed."""
EMBODIED = "embodied_g"
"""Emissions of making the board; absent: unknown."""
EMBODIED_STD = "embodied_std_fraction"
"""One standard deviation of it, as a share; absent: not known, and none is drawn."""
_MADE = MappingProxyType({EMBODIED: "g", EMBODIED_STD: "fraction"})
_TEXTS = ("name", "description")


@dataclass(frozen=True, slots=True)
class BoardProfile:
    """A board with a source for every figure."""

    name: str
    description: str
    figures: dict[str, Figure]
    """What is known of what a model needs."""
    unknown: dict[str, Unknown] = field(default_factory=dict)
    """What is not."""
    made: dict[str, Figure | Unknown] = field(default_factory=dict)
    """Emissions of making it, and their deviation."""
    points: tuple[OperatingPoint, ...] = ()
    """Operating points, the fastest first; empty: none is known."""
    point_sources: tuple[tuple[str, str], ...] = ()
    """(clock, source) of each."""

    def config(self, given: Mapping[str, float] | None = None) -> BoardConfig:
        """The figures as a node's configuration takes them; ``given`` replace them, known or not. Operating points are
        those of the profile's own watts: with others there are none.

        Raises SourceError where one that a model needs is known from neither, or where two contradict each other."""
        values = {name: figure.value for name, figure in self.figures.items()} | dict(given or {})
        if lacking := [name for name in _UNITS if name not in values and name not in SLEEP]:
            raise SourceError(self._lacks(lacking))
        knows_sleep = all(name in values for name in SLEEP)
        if not knows_sleep:
            values |= {"sleep_w": values["static_w"], "wake_j": 0.0, "wake_s": 0.0}
        _check_order(self.name, values)
        own = not {"static_w", "busy_w"} & set(given or {})
        if own:
            check_points(self.name, values, self.points)
        return BoardConfig.model_validate(
            {
                "name": self.name,
                **values,
                "storage_bytes": int(values["storage_bytes"]),
                "knows_sleep": knows_sleep,
                "points": self.points if own else (),
            }
        )

    def sources(self) -> dict[str, str]:
        """Source and note of every figure, for the report's assumptions."""
        return (
            {f"operating point {clock}": source for clock, source in self.point_sources}
            | {
                name: f"{figure.value:g} {figure.unit}: {figure.source}"
                + (f" ({figure.note})" if figure.note else "")
                for name, figure in self.figures.items()
            }
            | {name: f"unknown: {figure.why}" for name, figure in self.unknown.items()}
        )

    @property
    def known_and_unknown(self) -> dict[str, Figure | Unknown]:
        """All that a model needs, in the order of profiles."""
        return {name: self.figures.get(name) or self.unknown[name] for name in _UNITS}

    @property
    def embodied(self) -> Figure | Unknown:
        """Emissions of making the board."""
        return self.made.get(EMBODIED, Unknown("g", f"the profile of {self.name} has no {EMBODIED}"))

    @property
    def in_short(self) -> str:
        """Idle and load power and emissions of making it, for lists."""
        said = [f"{word} {self._value(name)}" for word, name in (("idle", "static_w"), ("load", "busy_w"))]
        made = self.embodied
        grams = "unknown" if isinstance(made, Unknown) else f"{made.value / 1000:.3g} kg CO2e"
        return f"{', '.join(said)}, embodied {grams}"

    def _value(self, name: str) -> str:
        return f"{self.figures[name].value:g} W" if name in self.figures else "unknown"

    def _lacks(self, names: list[str]) -> str:
        why = "; ".join(f"{name} ({self.unknown[name].why})" for name in names)
        return (
            f"board {self.name}: no source is known for {why}. Give {', '.join(names)} beside the profile, in the "
            "board's table of the scenario, measure them with `detabed calibrate`, or name another board"
        )


def _check_order(board: str, values: Mapping[str, float]) -> None:
    """Raises SourceError for known powers that contradict each other."""
    static_w, busy_w, sleep_w = (values.get(name) for name in ("static_w", "busy_w", "sleep_w"))
    if static_w is not None and busy_w is not None and busy_w < static_w:
        raise SourceError(
            f"board {board}: busy_w {busy_w:g} W is below static_w {static_w:g} W; busy includes static, so give at "
            "least as much"
        )
    if static_w is not None and sleep_w is not None and sleep_w > static_w:
        raise SourceError(
            f"board {board}: sleep_w {sleep_w:g} W is above static_w {static_w:g} W; a board asleep draws no more "
            "than an idle one"
        )
    if values.get("effective_flop_per_s") == 0:
        raise SourceError(f"board {board}: effective_flop_per_s is 0; allowed is more than 0")


def board_names() -> tuple[str, ...]:
    """Names of the packaged boards."""
    files = [entry.name for entry in resources.files(__name__).iterdir()]
    return tuple(sorted(name[:-5].replace("_", "-") for name in files if name.endswith(".toml")))


def load_board(name: str) -> BoardProfile:
    """A packaged board by name, e.g. ``raspberry-pi-4b``, or one's own by the path of its TOML file.

    Raises:
        SourceError: unknown board, a figure missing, without source or in another unit, or powers that contradict each
            other.
    """
    packaged = ", ".join(board_names())
    if name in board_names():
        text = (resources.files(__name__) / f"{name.replace('-', '_')}.toml").read_text(encoding="utf-8")
    elif name.endswith(".toml"):
        text = read_text(Path(name), "a board", f"{packaged} or the path of a TOML file like theirs")
    else:
        raise SourceError(f"unknown board {name!r}; allowed are {packaged} or the path of a TOML file")
    return _profile(text, name)


def _profile(text: str, name: str) -> BoardProfile:
    where = f"board {name}"
    document = parsed(text, where)
    points, point_sources = points_of(document, where)
    figures, unknown, texts = figures_of(document, where)
    allowed = _UNITS | _MADE
    found = figures.keys() | unknown.keys()
    extra = sorted(found - allowed.keys()) + sorted(texts.keys() - set(_TEXTS))
    missing = sorted(_UNITS.keys() - found)
    if extra or missing:
        raise SourceError(
            f"{where} lacks {missing} and has unknown {extra}; figures are {', '.join(_UNITS)}, and perhaps "
            f'{", ".join(_MADE)}; a figure that nobody published has value = "unknown"'
        )
    for key, figure in (figures | unknown).items():
        if figure.unit != allowed[key]:
            raise SourceError(f"{where}: {key} is in {figure.unit}; allowed is {allowed[key]}")
    profile = BoardProfile(
        texts.get("name", name),
        texts.get("description", ""),
        {key: figure for key, figure in figures.items() if key in _UNITS},
        {key: figure for key, figure in unknown.items() if key in _UNITS},
        {key: figure for key, figure in (figures | unknown).items() if key in _MADE},
        points,
        point_sources,
    )
    _check_order(profile.name, {key: figure.value for key, figure in profile.figures.items()})
    return profile
