"""Energy in the network per byte, by name, each with its source and the ends that sources give."""

from __future__ import annotations

from importlib import resources

from edge_node.energy.sourced import Figure, SourceError, read_figures

DEFAULT_TRANSPORT = "wifi"


def transports() -> dict[str, Figure]:
    """All named figures, J per byte."""
    text = (resources.files("edge_node.energy") / "transport.toml").read_text(encoding="utf-8")
    figures, _ = read_figures(text, "transport.toml")
    for name, figure in figures.items():
        if figure.unit != "J/byte":
            raise SourceError(f"transport {name} is in {figure.unit}; allowed is J/byte")
        if figure.range is None:
            raise SourceError(f"transport {name} has no low and high; give both ends with their sources")
    return figures


def load_transport(name: str = DEFAULT_TRANSPORT) -> Figure:
    """Energy per byte between two nodes. Raises SourceError for an unknown name."""
    figures = transports()
    if name not in figures:
        raise SourceError(f"unknown transport {name!r}; allowed are {', '.join(figures)}")
    return figures[name]
