"""The smallest study of split computing that still splits."""

from __future__ import annotations

from experiments.studies.terminal.settings import QUICK

TINY = QUICK.__class__("digits", 48, 12, 1, 1, 2, 12, 12, 1, 3)
