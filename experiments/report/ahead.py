"""Sections of a comparison's report drawn while its later runs go on: those that show the first seed alone."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.report.second_process import SecondProcess

OF_FIRST_SEED = ("batteries", "flows")
"""They show the run of every policy with its lowest seed (Study.first), whatever other runs there are."""
OF_FOCUS = "day"
"""Likewise, and the run of the policy in focus, which may be chosen, or other seeds may decide it."""


class DrawnAhead:
    """Asks the second process, in a thread, from ``begin`` to ``take``."""

    def __init__(self, second: SecondProcess) -> None:
        self._second = second
        self._thread: threading.Thread | None = None
        self._enough = threading.Event()
        self._drawn: dict[str, list[dict[str, Any]]] = {}

    def begin(self, folder: Path, runs: Sequence[str], policies: Sequence[str]) -> None:
        """``draw`` in a thread; returns at once."""
        self._second.start()
        self._thread = threading.Thread(target=self.draw, args=(folder, runs, policies), daemon=True)
        self._thread.start()

    def draw(self, folder: Path, runs: Sequence[str], policies: Sequence[str]) -> None:
        """Draw in the comparison ``folder`` from ``runs``, its folders of the first seed, of all its ``policies``."""
        is_deta = "deta" in policies and not any(":" in policy for policy in policies)
        for section in (*OF_FIRST_SEED, OF_FOCUS) if is_deta else OF_FIRST_SEED:
            if self._enough.is_set() or not self._second.works:
                return
            question = {"folder": str(folder.absolute()), "section": section, "runs": list(runs)}
            answer = self._second.ask(question)
            if answer is not None:
                self._drawn[section] = answer

    def take(self) -> dict[str, list[dict[str, Any]]]:
        """What was drawn, fields of pictures by section, once the section in hand is finished.

        The second process is free then.
        """
        self._enough.set()
        if self._thread is not None:
            self._thread.join()
        return self._drawn
