"""Where in a TOML text a key stands, so that a message about a value can name its line.

``tomllib`` keeps no positions. This reads only headers and the start of key lines, which is enough for scenarios:
dotted keys and inline tables resolve to the line on which they begin.
"""

from __future__ import annotations

import re

_HEADER = re.compile(r"^\s*(\[\[?)\s*([A-Za-z0-9_.\-\"' ]+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r"^\s*([A-Za-z0-9_.\-\"']+)\s*=")

Location = tuple[str | int, ...]


def line_index(text: str) -> dict[Location, int]:
    """Line number (from 1) of every table and key, by its path; arrays of tables carry their index."""
    index: dict[Location, int] = {(): 1}
    counts: dict[tuple[str, ...], int] = {}
    table: Location = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            parts = _split(header.group(2))
            if header.group(1) == "[[":
                key = tuple(parts)
                counts[key] = counts.get(key, -1) + 1
                index.setdefault(key, number)
                table = (*parts, counts[key])
            else:
                table = _with_indices(parts, counts)
            index.setdefault(table, number)
        elif key_match := _KEY.match(line):
            index.setdefault((*table, *_split(key_match.group(1))), number)
    return index


def find_line(index: dict[Location, int], location: Location) -> int | None:
    """Line of the longest known prefix of ``location``; None when not even its first part is in the text."""
    for length in range(len(location), 0, -1):
        if location[:length] in index:
            return index[location[:length]]
    return None


def _split(dotted: str) -> list[str]:
    return [part.strip().strip("\"'") for part in dotted.split(".")]


def _with_indices(parts: list[str], counts: dict[tuple[str, ...], int]) -> Location:
    """A header below an array of tables ([nodes.battery] after [[nodes]]) belongs to its latest element."""
    location: list[str | int] = []
    for depth, part in enumerate(parts, start=1):
        location.append(part)
        if tuple(parts[:depth]) in counts:
            location.append(counts[tuple(parts[:depth])])
    return tuple(location)
