"""Sources of a user's Flower app: read without being run, so that a syntax error is found before anything starts."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path

from experiments.errors import UsageError


def refuse_unreadable(roots: Sequence[Path], *references: str) -> None:
    """Raises UsageError, with file and line, where a module of the app is no Python.

    Args:
        roots: Folders in which the app's modules lie; what lies elsewhere is an installed package and is not read.
        references: ``package.module:name`` of client and server.

    Read are the modules of the references and those that they import.
    """
    waiting, read = [reference.partition(":")[0] for reference in references], set[Path]()
    while waiting:
        for path in _sources(roots, waiting.pop()):
            if path not in read:
                read.add(path)
                waiting += _imports(_tree(path), _package(roots, path))


def _sources(roots: Sequence[Path], module: str) -> Iterator[Path]:
    """Files of a module and of the packages that it is in, which run before it."""
    parts = module.split(".")
    for root in roots:
        for length in range(1, len(parts) + 1):
            base = root.joinpath(*parts[:length])
            for path in (base / "__init__.py", base.with_name(f"{base.name}.py")):
                if path.is_file():
                    yield path


def _package(roots: Sequence[Path], path: Path) -> str:
    """The package that relative imports of a file start from."""
    root = next(root for root in roots if path.is_relative_to(root))
    return ".".join(path.relative_to(root).parent.parts)


def _tree(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_bytes(), filename=str(path))
    except SyntaxError as error:
        raise UsageError(
            f"the app's code is no Python: {path}:{error.lineno}: {error.msg}; correct that line"
        ) from error
    except (ValueError, OSError) as error:  # a null byte; a file that may not be read
        raise UsageError(f"the app's code cannot be read: {path}: {error}") from error


def _imports(tree: ast.Module, package: str) -> Iterator[str]:
    """Modules that a source imports; names of ``from a import b`` may be modules too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}".lstrip(".") for alias in node.names)
