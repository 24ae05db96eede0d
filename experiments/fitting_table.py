"""Tables in narrow terminals: columns are left out, and no figure is cut."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Column, Table
from rich.text import Text

LEFT_OUT = "Left out at this width: {names}. {more}."
MORE = "A wider terminal, --json and the report have all"
UNBOUND = 10_000


class FittingTable(Table):
    """A table that shows as many of its columns as fit with whole cells. Headings, and cells of columns that wrap,
    break at words.

    Columns go from the right; those of ``first_to_go`` before all others, and the first, with those of ``keep``, never:
    where these are too wide, cells of those that fold break within words.
    What was left out is said beneath, with ``more``: where it is to be found.
    """

    def __init__(
        self,
        *headers: str,
        keep: Sequence[str] = (),
        first_to_go: Sequence[str] = (),
        more: str = MORE,
        **options: object,
    ) -> None:
        super().__init__(*headers, **options)  # type: ignore[arg-type]
        self._keep, self._first, self._more = tuple(keep), tuple(first_to_go), more

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        boxed = self.box is not None
        room = (options.max_width if self.width is None else self.width) - (1 if boxed else 0)
        frame = 3 if boxed else 1  # padding, and the line at the right
        sizes = [_sizes(console, options, column) for column in self.columns]
        shown = list(range(len(sizes)))
        for place in self._order():
            if sum(sizes[at].minimum + frame for at in shown) <= room:
                break
            shown.remove(place)
        for at in shown:
            lacks = sum(sizes[other].minimum + frame for other in shown) - room
            if lacks > 0 and self.columns[at].overflow == "fold":
                sizes[at] = Measurement(max(1, sizes[at].minimum - lacks), sizes[at].maximum)
        table = copy.copy(self)
        widths = _widened([sizes[at] for at in shown], room - frame * len(shown))
        table.columns = [
            replace(self.columns[at], no_wrap=False, width=width)
            for at, width in zip(shown, widths, strict=True)
        ]
        if len(shown) < len(sizes):
            names = "; ".join(str(self.columns[at].header) for at in range(len(sizes)) if at not in shown)
            said = LEFT_OUT.format(names=names, more=self._more)
            table.caption = f"{self.caption} {said}" if self.caption else said
            table.caption_justify = "left"
        yield from Table.__rich_console__(table, console, options)

    def _order(self) -> list[int]:
        """Columns that may go, the first to go first."""
        headers = [str(column.header) for column in self.columns]
        named = [headers.index(name) for name in self._first if name in headers]
        kept = {0, *(headers.index(name) for name in self._keep if name in headers)}
        return [*named, *(at for at in reversed(range(len(headers))) if at not in {*kept, *named})]


def _widened(sizes: Sequence[Measurement], room: int) -> list[int]:
    """Widths between least and whole: what is left of ``room`` is divided in proportion to what each lacks."""
    widths = [size.minimum for size in sizes]
    lacks = [size.maximum - size.minimum for size in sizes]
    left = min(max(0, room - sum(widths)), sum(lacks))
    for at, lack in enumerate(lacks):
        rest = sum(lacks[at:])
        more = round(left * lack / rest) if rest else 0
        widths[at] += more
        left -= more
    return widths


def _sizes(console: Console, options: ConsoleOptions, column: Column) -> Measurement:
    """Least and whole width: a cell of a column that does not wrap is whole in both."""
    unbound = options.update(width=UNBOUND)

    def size(cell: object) -> Measurement:
        text = Text.from_markup(cell) if isinstance(cell, str) else cell
        return Measurement.get(console, unbound, text)  # type: ignore[arg-type]

    cells, heading = [size(cell) for cell in column.cells], size(column.header)
    least = [cell.maximum if column.no_wrap else cell.minimum for cell in cells]
    return Measurement(
        max([heading.minimum, *least]), max([heading.maximum, *(cell.maximum for cell in cells)])
    )
