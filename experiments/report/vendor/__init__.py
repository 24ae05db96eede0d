"""Chart libraries of other people, as they were published: inlined in pages, so that these need no network.

vega 6.4.0, vega-lite 6.5.0, vega-embed 7.3.0 (BSD-3-Clause, University of Washington Interactive Data Lab and
contributors; LICENSE-*.txt), from the npm packages of these names; the comments that point at source maps are gone.
"""

from __future__ import annotations

from importlib.resources import files

CHARTS = ("vega.min.js", "vega-lite.min.js", "vega-embed.min.js")
"""In the order in which a page needs them."""
LICENCES = ("LICENSE-vega.txt", "LICENSE-vega-lite.txt", "LICENSE-vega-embed.txt")


def charts() -> str:
    """The scripts that draw Vega-Lite specifications, with their licences: what goes into a page's ``<script>``."""
    folder = files(__name__)
    licences = [(folder / name).read_text(encoding="utf-8").strip() for name in LICENCES]
    scripts = [(folder / name).read_text(encoding="utf-8").strip() for name in CHARTS]
    return "\n;".join(
        f"/*! {licence} */\n{script}" for licence, script in zip(licences, scripts, strict=True)
    )
