"""Boards: sourced power and speed profiles, one TOML file each."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from types import MappingProxyType

from edge_node.config import BoardConfig
from edge_node.energy.sourced import Figure, SourceError, read_figures

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


@dataclass(frozen=True, slots=True)
class BoardProfile:
    """A board with a source for every figure."""

    name: str
    description: str
    figures: dict[str, Figure]

    def config(self) -> BoardConfig:
        """The figures as a node's configuration takes them."""
        values = {name: figure.value for name, figure in self.figures.items()}
        return BoardConfig.model_validate(
            {"name": self.name, **values, "storage_bytes": int(values["storage_bytes"])}
        )

    def sources(self) -> dict[str, str]:
        """Source and note of every figure, for the report's assumptions."""
        return {
            name: f"{figure.value:g} {figure.unit}: {figure.source}"
            + (f" ({figure.note})" if figure.note else "")
            for name, figure in self.figures.items()
        }


def board_names() -> tuple[str, ...]:
    """Names of the packaged boards."""
    files = [entry.name for entry in resources.files(__name__).iterdir()]
    return tuple(sorted(name[:-5].replace("_", "-") for name in files if name.endswith(".toml")))


def load_board(name: str) -> BoardProfile:
    """A packaged board by name, e.g. ``raspberry-pi-4b``, or one's own by the path of its TOML file.

    Raises:
        SourceError: unknown board, a figure missing, without source or in another unit.
    """
    if name in board_names():
        text = (resources.files(__name__) / f"{name.replace('-', '_')}.toml").read_text(encoding="utf-8")
    elif name.endswith(".toml") and Path(name).is_file():
        text = Path(name).read_text(encoding="utf-8")
    elif name.endswith(".toml"):
        raise SourceError(
            f"there is no file {name}; allowed are {', '.join(board_names())} or the path of a TOML file like theirs"
        )
    else:
        raise SourceError(
            f"unknown board {name!r}; allowed are {', '.join(board_names())} or the path of a TOML file"
        )
    figures, texts = read_figures(text, f"board {name}")
    if set(figures) != set(_UNITS):
        missing, extra = sorted(set(_UNITS) - set(figures)), sorted(set(figures) - set(_UNITS))
        raise SourceError(
            f"board {name} lacks {missing} and has unknown {extra}; figures are {', '.join(_UNITS)}"
        )
    for key, figure in figures.items():
        if figure.unit != _UNITS[key]:
            raise SourceError(f"board {name}: {key} is in {figure.unit}; allowed is {_UNITS[key]}")
    return BoardProfile(texts.get("name", name), texts.get("description", ""), figures)
