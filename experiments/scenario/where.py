"""Where in the scenario's file a refused value stands, so that every message names file, line and key."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from carbon_data.types import DataError
from experiments.errors import PlacedError, UsageError
from experiments.scenario.toml_lines import Location, find_line, line_index


@dataclass(frozen=True)
class Where:
    """The text a scenario came from. All are equal: where a scenario was written is no part of what it says."""

    name: str = field(default="", compare=False)
    lines: dict[Location, int] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, name: str, text: str) -> Where:
        """``name`` is what messages call the file."""
        return cls(name, line_index(text))

    def sentence(self, location: Location, text: str) -> str:
        """``FILE:LINE: dotted.key: text``, as far as file and line are known."""
        line = find_line(self.lines, location)
        place = [f"{self.name}:{line}"] if self.name and line else [self.name] if self.name else []
        return ": ".join([*place, ".".join(str(part) for part in location) or "scenario", text])

    @contextmanager
    def at(self, location: Location) -> Iterator[None]:
        """Refusals of the lower rooms, whose text says what is allowed, as UsageErrors that also say where. One that
        names a place in this file already passes as it is."""
        try:
            yield
        except (UsageError, DataError, ValueError, OSError) as error:
            if isinstance(error, PlacedError) and error.file == self.name:
                raise
            raise PlacedError(self.sentence(location, str(error)), self.name) from error


NOWHERE = Where()
