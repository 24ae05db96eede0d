"""How modules import each other: no circles, and imports inside functions only where a comment says why."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("carbon_data", "protos", "coordinator", "edge_node", "experiments", "detabed")
AT_MOST = 60


def modules() -> dict[str, Path]:
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            if "gen" not in parts:
                found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imports(node: ast.AST, inside: bool = False) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    """Imports that run, and whether they stand inside a function."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, inside
        is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from imports(child, inside or is_function)


def targets(module: str, node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    else:
        home = module if MODULES[module].name == "__init__.py" else module.rpartition(".")[0]
        parents = home.split(".")
        base = ".".join(parents[: len(parents) - node.level + 1]) if node.level else ""
        full = ".".join(filter(None, (base, node.module)))
        below = [f"{full}.{alias.name}" for alias in node.names]
        names = [name if name in MODULES else full for name in below]
    yield from (name for name in names if name in MODULES and name != module)


def test_no_module_imports_itself_by_way_of_others() -> None:
    graph = {
        module: {
            target
            for node, _ in imports(ast.parse(path.read_text(encoding="utf-8")))
            for target in targets(module, node)
        }
        for module, path in MODULES.items()
    }
    circle: list[str] = []
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle = error.args[1]
    assert circle == [], "move the type or the constant that closes the circle into a file of its own"


def test_imports_inside_functions_are_few_and_in_experiments_each_says_why() -> None:
    places, silent = [], []
    for module, path in MODULES.items():
        text = path.read_text(encoding="utf-8")
        lines = text.splitlines()
        for node, inside in imports(ast.parse(text)):
            if inside:
                places.append(f"{module}:{node.lineno}")
                around = lines[max(0, node.lineno - 3) : node.end_lineno]
                if module.startswith("experiments") and not any("# " in line for line in around):
                    silent.append(places[-1])
    assert len(places) <= AT_MOST, places
    assert silent == [], "say in a comment above which heavy library or what time at start-up it saves"
