"""One number in the kernel's sysfs."""

from __future__ import annotations

from pathlib import Path

from edge_node.meters.sources.source import SourceError


def integer(path: Path) -> int:
    """The number in ``path``, opened anew: a sensor that was unplugged and is back is found again."""
    try:
        with path.open("rb", buffering=0) as file:
            return int(file.read(64))
    except PermissionError as error:
        raise SourceError(
            f"{path} may not be read: run as root, or give the file a group that you are in"
        ) from error
    except (OSError, ValueError) as error:
        raise SourceError(f"sensor {path} cannot be read: {error}") from error


def text(path: Path) -> str:
    """Content of a label, empty without one."""
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
