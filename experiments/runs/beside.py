"""Processes that import while this one still imports what a run needs: one that draws the report, and one of which a
coordinator is forked for each run. Imports nothing that starts threads."""

from __future__ import annotations

from typing import Self

from experiments.fleet.ahead import Ahead
from experiments.report.second_process import SecondProcess
from experiments.scenario.model import Scenario

WITH_COORDINATORS = ("ray", "daemons")
"""Kinds of fleets whose coordinators are processes of their own."""


class Beside:
    """Both processes. Call ``start`` before the long imports; without it each is started when it is first needed. They
    end with the block, and with this process."""

    def __init__(self) -> None:
        self.second = SecondProcess()
        self.coordinators = Ahead()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.second.stop()
        self.coordinators.stop()

    def start(self, scenario: Scenario, draw: bool) -> None:
        """Start what this run will need. Returns at once."""
        if scenario.fleet.kind in WITH_COORDINATORS:
            self.coordinators.prepare()
        if draw:
            self.second.start()
