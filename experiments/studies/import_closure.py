"""What a computation depends on: every first-party module it can import, their data files, and library versions.

The key of a kept result is the hash of all of it, so that no result outlives the code that made it. Imports are read
from the sources without running them, inside functions too; what is imported for type checkers alone does not run and
does not count. A text that is the full name of a first-party module ("package.module" or "package.module:Name") is an
import as well: registries load by name. A module that opens files beside itself (``resources.files``, ``__file__``)
brings the data files of its package whose name or ending it mentions (all, where it mentions none), and one that
names another package all data files of that.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from carbon_data.files.whole import whole_file

ROOT = Path(__file__).resolve().parents[2]
FIRST_PARTY = ("carbon_data", "coordinator", "edge_node", "experiments", "protos")
_NAMED = re.compile(r"(?P<module>[A-Za-z_]\w*(\.[A-Za-z_]\w*)+)(:\w+)?")
_NO_DATA = (".py", ".pyc", ".pyi")


@dataclass(frozen=True)
class Closure:
    """All that ``entry`` modules can reach; paths below ``root``."""

    modules: dict[str, Path]
    """Source by module name."""
    data: tuple[Path, ...]
    libraries: dict[str, str]
    """Version by distribution, of what any of the modules imports; Python itself under its name."""
    root: Path

    def digest(self) -> str:
        """sha256 over names and contents of all files, and the versions."""
        found = hashlib.sha256()
        for path in sorted([*self.modules.values(), *self.data]):
            body = hashlib.sha256(path.read_bytes()).hexdigest()
            found.update(f"{path.relative_to(self.root).as_posix()} {body}\n".encode())
        for name, version in sorted(self.libraries.items()):
            found.update(f"{name} {version}\n".encode())
        return found.hexdigest()


@lru_cache(maxsize=16)
def closure_digest(*entries: str) -> str:
    """The digest of what ``entries`` (module names) depend on in this installation."""
    return closure(*entries).digest()


def remembered_digest(folder: Path, *entries: str) -> str:
    """``closure_digest``, kept in ``folder`` as long as no first-party file and no installed library changes: to find
    it anew takes seconds."""
    seen = hashlib.sha256("\n".join((*entries, *_state())).encode()).hexdigest()
    path = folder / f"closure-{seen[:32]}"
    with contextlib.suppress(OSError):
        if len(kept := path.read_text(encoding="ascii").strip()) == 64:
            return kept
    found = closure_digest(*entries)
    with contextlib.suppress(OSError):  # a cache that cannot be written is none
        folder.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as draft:
            draft.write_text(found, encoding="ascii")
    return found


def _state() -> Iterator[str]:
    """All files of the first-party packages with size and time of change, Python, and the installed distributions."""
    yield f"{ROOT} {sys.version}"
    for package in FIRST_PARTY:
        for path in sorted((ROOT / package).rglob("*")):
            if path.suffix != ".pyc" and path.is_file():
                told = path.stat()
                yield f"{path.relative_to(ROOT)} {told.st_size} {told.st_mtime_ns}"
    for folder in map(Path, sys.path):
        if folder.is_dir() and folder.resolve() != ROOT:
            yield from sorted(f"{folder} {entry.name}" for entry in folder.glob("*.dist-info"))


def closure(*entries: str, root: Path = ROOT) -> Closure:
    """Walk the imports from ``entries``. Raises ValueError for an entry that is no module below ``root``."""
    modules: dict[str, Path] = {}
    data: set[Path] = set()
    outside: set[str] = set()
    waiting = list(entries)
    for name in entries:
        if _source(name, root) is None:
            raise ValueError(f"{name!r} is no module of {', '.join(FIRST_PARTY)} below {root}")
    while waiting:
        name = waiting.pop()
        path = _source(name, root)
        if name in modules or path is None:
            continue
        modules[name] = path
        if "." in name:
            waiting.append(name.rpartition(".")[0])  # a package runs before what is in it
        tree = ast.parse(path.read_bytes(), filename=str(path))
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        reads_files, said = False, set()
        for node in _running(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                said.add(node.value)
                named = _NAMED.fullmatch(node.value)
                if named and named["module"].partition(".")[0] in FIRST_PARTY:
                    waiting.append(named["module"])
                    data |= set(_data_files(root.joinpath(*named["module"].split("."))))
            elif isinstance(node, ast.Name) and node.id == "__file__":
                reads_files = True
            else:
                for imported in _imports(node, package):
                    reads_files |= imported.startswith("importlib.resources")
                    if imported.partition(".")[0] in FIRST_PARTY:
                        waiting.append(imported)
                    else:
                        outside.add(imported.partition(".")[0])
        if reads_files:
            beside = set(_data_files(path.parent))
            data |= {file for file in beside if _is_mentioned(file, said)} or beside
    return Closure(dict(sorted(modules.items())), tuple(sorted(data)), _versions(outside), root)


def _source(name: str, root: Path) -> Path | None:
    """The file of a first-party module; None for a name in a module, and for what is no module."""
    if name.partition(".")[0] not in FIRST_PARTY:
        return None
    base = root.joinpath(*name.split("."))
    for path in (base / "__init__.py", base.with_name(f"{base.name}.py")):
        if path.is_file():
            return path
    return None


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those under ``if TYPE_CHECKING``, which no interpreter runs."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            for statement in child.orelse:
                yield statement
                yield from _running(statement)
            continue
        yield child
        yield from _running(child)


def _imports(node: ast.AST, package: str) -> list[str]:
    """Names that may be modules: of ``from a import b``, both a and a.b."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    base = node.module or ""
    if node.level:
        parents = package.split(".")
        base = ".".join([*parents[: len(parents) - node.level + 1], *([base] if base else [])])
    return [base, *(f"{base}.{alias.name}" for alias in node.names)]


def _is_mentioned(file: Path, said: set[str]) -> bool:
    """By its name, or by its ending, as in ``f"{name}.toml"``."""
    return any(file.name == text or (text.startswith(".") and file.name.endswith(text)) for text in said)


def _data_files(folder: Path) -> Iterator[Path]:
    """Files beside the modules of a package, and in folders below it that are no packages themselves."""
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if path.is_file() and path.suffix not in _NO_DATA:
            yield path
        elif path.is_dir() and path.name != "__pycache__" and not (path / "__init__.py").exists():
            yield from _data_files(path)


def _versions(names: set[str]) -> dict[str, str]:
    """Versions of the distributions behind imported names; the standard library is Python's."""
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    by_import = _distributions()
    for name in names - sys.stdlib_module_names:
        for distribution in by_import.get(name, ()):
            found[distribution] = metadata.version(distribution)
    return found


@lru_cache(maxsize=1)
def _distributions() -> dict[str, list[str]]:
    return dict(metadata.packages_distributions())
