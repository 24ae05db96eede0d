"""Result numbers of the pages, written from recorded figures: ``python -m docs.fill [--check]``.

A page marks a place:

    <!-- figures: text with {NAME:path|format} -->
    what stands on the page: the same text with the numbers
    <!-- end of figures -->

NAME is a file in docs/figures. The path goes through its ``found``: keys and list indices between dots, ``[key=value]``
for the element of a list. ``@date``, ``@machine``, ``@command`` and ``@note`` are the recording's own. Formats:
``docs.recorded.written``. ``{NAME:path|each text with [key|format]}`` is the text once for each element of a list or
table, a line each; ``[@key|text]`` is the element's name in a table. ``--check`` writes nothing and ends with 1 where
a page differs.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from docs.recorded import FIGURES, lying_at, value_at, written

ROOT = Path(__file__).parents[1]
PLACE = re.compile(r"<!-- figures: (.*?) -->\n(.*?)<!-- end of figures -->", re.DOTALL)
FIELD = re.compile(r"\{([\w-]+):([^{}|]+)\|(\w+\??)\}")
EACH = re.compile(r"\{([\w-]+):([^{}|]+)\|each ([^{}]+)\}")
PART = re.compile(r"\[([^\[\]|]+)\|(\w+\??)\]")


def field(name: str, path: str, form: str, figures: Path = FIGURES) -> str:
    """Text of one ``{NAME:path|format}``."""
    return written(lying_at(name, path, figures), form)


def each(name: str, path: str, text: str, figures: Path = FIGURES) -> str:
    """Text of one ``{NAME:path|each text}``: ``text`` for every element, a line each."""
    found = lying_at(name, path, figures)
    elements = (
        list(found.items()) if isinstance(found, dict) else [(str(k), one) for k, one in enumerate(found)]
    )

    def line(key: str, element: object) -> str:
        def part(match: re.Match[str]) -> str:
            return written(key if match[1] == "@key" else value_at(element, match[1]), match[2])

        return PART.sub(part, text)

    return "\n".join(line(key, element) for key, element in elements)


def filled(text: str, figures: Path = FIGURES) -> str:
    """The page with its places written again. Raises ValueError, with the field, where one cannot be written."""

    def place(found: re.Match[str]) -> str:
        def one(match: re.Match[str]) -> str:
            try:
                if match.re is FIELD:
                    return field(match[1], match[2], match[3], figures)
                before = match.string[: match.start()].rpartition("\n")[2]
                return each(match[1], match[2], match[3], figures).replace("\n", f"\n{' ' * len(before)}")
            except (LookupError, ValueError, OSError, TypeError) as error:
                raise ValueError(f"{match[0]}: {error}") from error

        made = EACH.sub(one, FIELD.sub(one, found[1]))
        if "{" in made:
            raise ValueError(f"a field is not of the form {{NAME:path|format}}: {made}")
        return f"<!-- figures: {found[1]} -->\n{made}\n<!-- end of figures -->"

    return PLACE.sub(place, text)


def pages() -> list[Path]:
    """Pages that have places: README, CONTRIBUTING and all of docs."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def main() -> int:
    check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] not in ([], ["--check"]):
        sys.exit("python -m docs.fill [--check]")
    stale = [path for path in pages() if filled(path.read_text("utf-8")) != path.read_text("utf-8")]
    for path in stale:
        sys.stdout.write(f"{path.relative_to(ROOT)}{': run python -m docs.fill' if check else ''}\n")
        if not check:
            path.write_text(filled(path.read_text("utf-8")), encoding="utf-8")
    return 1 if stale and check else 0


if __name__ == "__main__":
    sys.exit(main())
