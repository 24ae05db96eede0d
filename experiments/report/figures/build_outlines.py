"""Writes ``outlines.npz``: ``python -m experiments.report.figures.build_outlines land-110m.json``.

The file is of the npm package world-atlas 2.0.2 (M. Bostock, ISC), after Natural Earth's land at 1:110 million, public
domain. A TopoJSON arc holds differences of whole numbers; its transform makes degrees of them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FILE = Path(__file__).with_name("outlines.npz")


def build(topology: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """``points`` (N, 2), hundredths of a degree east and north, and ``starts`` (K,) of the K outlines in them."""
    scale, translate = (np.asarray(topology["transform"][key]) for key in ("scale", "translate"))
    lines = [np.cumsum(np.asarray(arc), axis=0) * scale + translate for arc in topology["arcs"]]
    points = np.concatenate(lines)
    starts = np.cumsum([0, *(len(line) for line in lines[:-1])])
    return {
        "points": np.rint(points * 100).astype(np.int16),
        "starts": starts.astype(np.int32),
    }


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print(__doc__)
        return 2
    built = build(json.loads(Path(arguments[0]).read_text(encoding="utf-8")))
    np.savez_compressed(FILE, points=built["points"], starts=built["starts"])
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
