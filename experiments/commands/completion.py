"""What the shell completes after ``detabed --install-completion``: names of the catalogue, and scenario files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from experiments.commands.kinds import CATALOGUE, catalogue

LIST_MARK = ","
Found = list[tuple[str, str]]
"""Words with what they mean."""


def names(kind: str) -> Callable[[str], Found]:
    """Completes one name of a kind of ``detabed list``."""

    def complete(incomplete: str) -> Found:
        return [(name, text) for name, text in catalogue(kind).items() if name.startswith(incomplete)]

    return complete


def several(kind: str) -> Callable[[str], Found]:
    """Completes the last of several names with commas between."""

    def complete(incomplete: str) -> Found:
        before, mark, last = incomplete.rpartition(LIST_MARK)
        given = set(before.split(LIST_MARK))
        return [(f"{before}{mark}{name}", text) for name, text in names(kind)(last) if name not in given]

    return complete


def scenarios(incomplete: str) -> Found:
    """Packaged scenarios, TOML files, and folders on the way to some."""
    packaged = names("scenarios")(incomplete)
    folder, _, begun = incomplete.rpartition("/")
    base = Path(folder or ("/" if incomplete.startswith("/") else "."))
    try:
        beside = sorted(path for path in base.iterdir() if path.name.startswith(begun))
    except OSError:
        return packaged
    start = f"{folder}/" if "/" in incomplete else ""
    files = [(f"{start}{path.name}", "") for path in beside if path.suffix == ".toml"]
    folders = [(f"{start}{path.name}/", "") for path in beside if path.is_dir() and path.name[0] != "."]
    return [*packaged, *files, *folders]


def kinds(incomplete: str) -> Found:
    """Kinds that ``detabed list`` knows."""
    return [(kind, words) for kind, (_, words, _) in CATALOGUE.items() if kind.startswith(incomplete)]
