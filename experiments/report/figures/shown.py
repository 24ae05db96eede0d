"""Figures that notebooks show by themselves."""

from __future__ import annotations

import io

from matplotlib.figure import Figure

from experiments.report.figures.look import look

DOTS_PER_INCH = 110


class ShownFigure(Figure):
    """A matplotlib figure outside pyplot, with the picture that IPython asks for."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        with look():
            self.savefig(buffer, format="png", dpi=DOTS_PER_INCH)
        return buffer.getvalue()
