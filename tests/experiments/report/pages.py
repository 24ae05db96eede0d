"""A page as tests read it."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path


class Page(HTMLParser):
    """Requests that tests make to a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.text = path.read_text(encoding="utf-8")
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loads: list[str] = []
        self.svg_without_text = 0
        self.tables = self.captions = 0
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {key: value or "" for key, value in attrs}
        if "id" in found:
            self.ids.append(found["id"])
        if tag == "a":
            self.links.append(found.get("href", ""))
        self.loads += [found[key] for key in ("src", "srcset", "data") if key in found]
        if tag == "link":
            self.loads.append(found.get("href", ""))
        if tag == "svg":
            self.svg_without_text += not found.get("aria-label")
        self.tables += tag == "table"
        self.captions += tag == "caption"
