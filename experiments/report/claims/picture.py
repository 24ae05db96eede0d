"""The small picture of a claim: our value with its interval, the paper's, and the part of the scale where it holds."""

from __future__ import annotations

from html import escape

from markupsafe import Markup

from experiments.report.claims.figure import ClaimFigure

WIDTH, HEIGHT, EDGE = 260.0, 54.0, 10.0
"""Of the picture in pixels, and its margin at left and right."""
_LABEL = 36.0
"""Room for half a label of a limit."""
_PAPER_Y, _OURS_Y, _AXIS_Y = 11.0, 26.0, 38.0
_SAME = 1e-6
"""Relative difference up to which figure and limit are drawn at one place: rounding, not a distance."""


def picture(figure: ClaimFigure) -> Markup:
    """SVG in the colours of the page; empty where there is no value to show."""
    known = [figure.ours, figure.low, figure.high, figure.paper]
    values = [value for value in known if value is not None]
    if not values:
        return Markup("")
    limits = [limit for limit in (figure.at_least, figure.at_most) if limit is not None]
    low, high = min(values + limits), max(values + limits)
    if high - low <= _SAME * max(abs(low), abs(high)):
        high = low
    room = 0.12 * (high - low) or max(abs(high), 1.0) * 0.5
    low, high = low - room, high + room

    def x(value: float) -> float:
        return EDGE + (value - low) / (high - low) * (WIDTH - 2 * EDGE)

    parts = []
    if limits:
        left = EDGE if figure.at_least is None else x(figure.at_least)
        right = WIDTH - EDGE if figure.at_most is None else x(figure.at_most)
        parts.append(
            f'<rect class="holds" x="{left:.1f}" y="3" width="{max(right - left, 1.5):.1f}" height="{_AXIS_Y - 3}"/>'
        )
    parts.append(f'<path class="axis" d="M{EDGE} {_AXIS_Y}H{WIDTH - EDGE}"/>')
    for limit in dict.fromkeys(limits):
        place = x(limit)
        anchor = "start" if place < _LABEL else "end" if place > WIDTH - _LABEL else "middle"
        parts.append(
            f'<path class="limit" d="M{place:.1f} 3V{_AXIS_Y}"/>'
            f'<text x="{place:.1f}" y="{HEIGHT - 3}" text-anchor="{anchor}">{escape(figure.text(limit))}</text>'
        )
    if figure.paper is not None:
        place = x(figure.paper)
        parts.append(
            f'<path class="paper" d="M{place:.1f} {_PAPER_Y - 5}l5 5l-5 5l-5 -5z"><title>paper '
            f"{escape(figure.text(figure.paper))}</title></path>"
        )
    if figure.low is not None or figure.high is not None:
        left = EDGE if figure.low is None else x(figure.low)
        right = WIDTH - EDGE if figure.high is None else x(figure.high)
        ends = "".join(
            f"M{end:.1f} {_OURS_Y - 4}v8"
            for end, known_end in ((left, figure.low), (right, figure.high))
            if known_end is not None
        )
        parts.append(f'<path class="interval" d="M{left:.1f} {_OURS_Y}H{right:.1f}{ends}"/>')
    if figure.ours is not None:
        parts.append(
            f'<circle class="ours" cx="{x(figure.ours):.1f}" cy="{_OURS_Y}" r="4.2"><title>ours '
            f"{escape(figure.ours_text)}</title></circle>"
        )
    opening = f'<svg viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" aria-label="{escape(_said(figure))}">'
    return Markup(opening + "".join(parts) + "</svg>")


def _said(figure: ClaimFigure) -> str:
    """The picture in words."""
    said = [f"ours {figure.ours_text}"]
    if figure.interval_text:
        said.append(f"interval {figure.interval_text}")
    if figure.paper is not None:
        said.append(f"paper {figure.text(figure.paper)}")
    if figure.wanted_text:
        said.append(f"holds {figure.wanted_text}")
    return ", ".join(said)
