"""Extents of the study: which hours, which weeks, which cells."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from experiments.studies.citylearn.cells import CASES, BoundCell, CaseCell, RollingCell
from experiments.studies.citylearn.houses import BEGIN, HOURS

WEEK_H = 168
FIRST_H = 24
"""Where the first week begins: the day before is history for forecasts. 52 weeks fill the year to its end."""
WEEKS = 52
ROLLED = (
    ("local", "known", False),
    ("det", "known", False),
    ("det", "persistence", False),
    ("local", "known", True),
    ("det", "known", True),
    ("deta", "known", True),
    ("deta", "persistence", True),
)
"""Policy, knowledge, servers."""
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
OF_WEEKS = ("exchange, own harvest", "exchange, with losses")
"""Cases that are computed week by week only: a year of 17 houses that exchange is a program of a million variables."""


def first_day(begin: int) -> str:
    """Day on which the hours from ``begin`` on start, such as ``3 January``. A week's first hour is the last of the day
    before, and not meant."""
    day = BEGIN + timedelta(hours=begin + 1)
    return f"{day.day} {MONTHS[day.month - 1]}"


@dataclass(frozen=True, slots=True)
class Extent:
    """``weeks``: numbers of the weeks, from 0. ``whole_year``: the cases of one house or one meter cover the year, and
    not the weeks alone. ``houses``: number of houses."""

    weeks: tuple[int, ...]
    whole_year: bool
    houses: int = 17
    week_h: int = WEEK_H
    """Hours of a week that are computed, from its begin."""

    def hours(self) -> list[tuple[int, int]]:
        """Begin and end of each week."""
        begins = (FIRST_H + week * WEEK_H for week in self.weeks)
        return [(begin, begin + self.week_h) for begin in begins]

    def spans(self, case: str) -> list[tuple[int, int]]:
        """Hours over which a case is computed."""
        return [(0, HOURS)] if self.whole_year and case not in OF_WEEKS else self.hours()

    def cases(self) -> list[CaseCell]:
        """Cells of all CASES over their spans; what the weeks are compared with is in ``bases``."""
        return [
            CaseCell(case, begin, end, house)
            for case in CASES
            for begin, end in self.spans(case)
            for house in (range(self.houses) if case == "alone" else (None,))
        ]

    def bases(self) -> list[CaseCell]:
        """``no battery`` of each week."""
        return [CaseCell("no battery", begin, end) for begin, end in self.hours()]

    def rolling(self) -> list[RollingCell]:
        return [RollingCell(*what, begin, end) for what in ROLLED for begin, end in self.hours()]

    def bounds(self) -> list[BoundCell]:
        """One for each policy that plans, in each of its worlds."""
        worlds = dict.fromkeys((policy, servers) for policy, _, servers in ROLLED if policy != "local")
        return [BoundCell(*world, begin, end) for world in worlds for begin, end in self.hours()]


FULL = Extent(tuple(range(WEEKS)), True)
QUICK = Extent((22, 36, 48), True)
"""A week from 3 January, 11 April and 4 July: winter, spring, summer."""
