"""A saved figure as part of the page: own ids, theme colours, pointers' texts, and no fixed size."""

from __future__ import annotations

import re
from html import escape
from xml.etree import ElementTree

from experiments.report.figures.base import Drawing
from experiments.report.style import SENTINELS

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
_NUMBER = re.compile(r"-?\d+\.\d{3,}")


def inline_svg(drawing: Drawing, text: str) -> str:
    """``text`` (from ``Drawing.svg``) ready to stand in an HTML page."""
    root = ElementTree.fromstring(text)
    for metadata in root.findall(f"{{{_SVG}}}metadata"):
        root.remove(metadata)
    width, height = (float(part) for part in root.attrib["viewBox"].split()[2:])
    for name in ("width", "height"):
        root.attrib.pop(name, None)
    root.set("role", "img")
    root.set("aria-label", drawing.alt)
    root.set("style", f"max-width:{width * 1.55:.0f}px;aspect-ratio:{width:.1f}/{height:.1f}")
    for element in root.iter():
        _rewrite(element, drawing)
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _XLINK)
    return ElementTree.tostring(root, encoding="unicode").replace(f' xmlns="{_SVG}"', "", 1)


def _rewrite(element: ElementTree.Element, drawing: Drawing) -> None:
    """Prefix ids and references with the figure's name, mark what has a text, shorten coordinates, theme
    colours."""
    identity = element.attrib.get("id")
    if identity is not None:
        classes = []
        if identity in drawing.tips:
            element.set("data-tip", drawing.tips[identity])
            classes.append("tip")
        if identity in drawing.series:
            element.set("data-series", drawing.series[identity])
            classes.append("series")
        if identity in drawing.bands:
            classes.append("band")
        if classes:
            element.set("class", " ".join(classes))
            del element.attrib["id"]
        else:
            element.set("id", f"{drawing.name}.{identity}")
    for key, value in list(element.attrib.items()):
        if key == f"{{{_XLINK}}}href" and value.startswith("#"):
            element.set(key, f"#{drawing.name}.{value[1:]}")
        elif key in ("clip-path", "style", "fill", "stroke"):
            value = re.sub(r"url\(#", f"url(#{drawing.name}.", value)
            for colour, variable in SENTINELS.items():
                value = value.replace(colour, variable)
            if key == "style":
                value = value.replace("'DejaVu Sans', ", "").replace("'DejaVu Sans'", "sans-serif")
            element.set(key, value)
        elif key in ("d", "x", "y", "width", "height", "points"):
            element.set(key, _NUMBER.sub(lambda match: f"{float(match[0]):.2f}", value))
    if element.tag == f"{{{_SVG}}}style" and element.text:
        element.text = None  # matplotlib's own "stroke-linejoin" defaults would apply to the whole page


def attribute(text: str) -> str:
    """``text`` as the value of an HTML attribute."""
    return escape(text, quote=True).replace("\n", "&#10;")
