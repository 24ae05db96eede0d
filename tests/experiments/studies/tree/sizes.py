"""The smallest study of TREE that still has a spread."""

from __future__ import annotations

from experiments.studies.tree.settings import Extent

TINY = Extent(seeds=3, window_s=3.0, warmup_s=0.5)
