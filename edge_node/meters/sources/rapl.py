"""Energy of every processor package, from the kernel's powercap tree (Intel, and AMD since Zen)."""

from __future__ import annotations

from pathlib import Path

from edge_node.meters.sources.source import SourceError, Unwrapped
from edge_node.meters.sources.sysfs import integer, text
from protos.messages.terms import MeterKind

ROOT = Path("/sys/class/powercap")
RATE_HZ = 100.0


class Rapl:
    """Sum over packages; each counter wraps by itself."""

    kind = MeterKind.COUNTER
    rate_hz = RATE_HZ
    resolution = 61
    """2^-14 J, the counter's unit on most processors."""

    def __init__(self, packages: list[Path]) -> None:
        self._packages = [
            # The counter's largest value is max_energy_range_uj; after it comes zero.
            (path / "energy_uj", Unwrapped(str(path), integer(path / "energy_uj"), _range_uj(path)))
            for path in packages
        ]

    def read(self) -> int:
        return sum(counter.total_uj(integer(path)) for path, counter in self._packages)

    def close(self) -> None:
        """No file stays open."""


def open_rapl(argument: str, root: Path = ROOT) -> Rapl:
    """``argument``: one package's folder; nothing: every package."""
    packages = [Path(argument)] if argument else package_folders(root)
    if not packages:
        raise SourceError(f"no RAPL package in {root}; choose another meter")
    return Rapl(packages)


def package_folders(root: Path) -> list[Path]:
    """Zones called package-N. Others (psys, dram, core) are parts of them or contain them."""
    return [path for path in sorted(root.glob("intel-rapl:*")) if text(path / "name").startswith("package")]


def _range_uj(package: Path) -> int:
    return integer(package / "max_energy_range_uj") + 1
