"""The site has every page of the documentation in its menu, and its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

from docs.site_pages import OUTSIDE, on_page_markdown

ROOT = Path(__file__).parents[2]
MENU = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]


def test_every_page_is_in_the_menu_and_every_entry_is_a_page() -> None:
    entries = set(re.findall(r"[\w/-]+\.md", MENU))
    pages = {path.name for path in (ROOT / "docs").glob("*.md")}
    assert entries == pages | set(OUTSIDE.values()) | {"decisions/README.md"}


def test_links_to_files_lead_somewhere() -> None:
    for page in [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]:
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
            if not target.startswith(("http://", "https://", "mailto:")):
                assert (page.parent / target).exists(), (page.name, target)


def test_pages_outside_are_linked_as_pages() -> None:
    assert on_page_markdown("[x](../CONTRIBUTING.md#layout)") == "[x](contributing.md#layout)"


def anchors(page: Path) -> set[str]:
    """Of the titles of a page, as sites make them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def test_links_to_titles_lead_to_one() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for target, title in re.findall(r"\]\(([^)#\s:]*)#([^)\s]+)\)", page.read_text(encoding="utf-8")):
            found = page.parent / target if target else page
            if found.suffix == ".md":
                assert title in anchors(found), (page.name, f"{target}#{title}")
