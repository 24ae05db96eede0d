"""Tests mirror the source: the tests of a file are found by its name (CONTRIBUTING.md, section Tests)."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("carbon_data", "protos", "coordinator", "edge_node", "experiments")
MIRRORED = (*PACKAGES, "benchmarks")
UNTESTED = {
    "carbon_data/ours.py": "an import hook: whole processes in tests/e2e/test_foreign_surroundings.py",
}
"""Files with logic and without a test file of their own or of their package, and why."""


def below(*folders: str) -> list[Path]:
    return [
        path.relative_to(ROOT)
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*.py"))
        if "gen" not in path.parts
    ]


def own_test_file(source: Path) -> Path:
    """``a/b/c.py`` is tested in ``tests/a/b/test_c.py``, ``a/__main__.py`` in ``tests/a/test_main.py``."""
    return Path("tests") / source.parent / f"test_{source.stem.strip('_')}.py"


def package_test_file(package: Path) -> Path:
    """A package ``a/b`` as a whole is tested in ``tests/a/b/test_b.py``."""
    return Path("tests") / package / f"test_{package.name}.py"


def has_logic(path: Path) -> bool:
    """A function with a body: no data, no constants, no protocol, no plain dataclass."""

    def holds(node: ast.AST) -> bool:
        if isinstance(node, ast.ClassDef) and any("Protocol" in ast.unparse(base) for base in node.bases):
            return False
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            return any(not isinstance(line, ast.Expr | ast.Pass) for line in node.body)
        return any(holds(child) for child in ast.iter_child_nodes(node))

    return holds(ast.parse(path.read_text(encoding="utf-8")))


def test_every_test_file_is_named_after_a_source_file_or_a_package() -> None:
    sources = below(*MIRRORED)
    known = {own_test_file(source) for source in sources}
    known |= {package_test_file(source.parent) for source in sources if source.name == "__init__.py"}
    found = {path for path in below("tests") if path.match("test_*.py") and path.parts[1] in MIRRORED}
    named_otherwise = sorted(str(path) for path in found - known)
    assert named_otherwise == [], "name it after the file it tests, or move it to contract, golden or e2e"


def test_every_source_file_with_logic_has_tests_where_they_are_looked_for() -> None:
    untested = [
        str(source)
        for source in below(*PACKAGES)
        if source.name != "__init__.py"
        and has_logic(ROOT / source)
        and not (ROOT / own_test_file(source)).exists()
        and not (ROOT / package_test_file(source.parent)).exists()
    ]
    assert untested == sorted(UNTESTED)
