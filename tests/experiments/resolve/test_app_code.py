"""Sources of a user's app: what is no Python is refused with file and line before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.errors import UsageError
from experiments.resolve.app_code import refuse_unreadable

APPS = Path(__file__).parents[2] / "apps"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    package = tmp_path / "mine"
    (package / "parts").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "client.py").write_text("from .parts import model\nimport numpy\napp = 1\n")
    (package / "server.py").write_text("def late():\n    import mine.rules\n\n\napp = 1\n")
    (package / "parts" / "__init__.py").write_text("")
    (package / "parts" / "model.py").write_text("raise RuntimeError('is not run')\n")
    (package / "rules.py").write_text("")
    return tmp_path


def check(project: Path) -> None:
    refuse_unreadable((project,), "mine.server:app", "mine.client:app")


def test_sound_code_passes_and_is_not_run(project: Path) -> None:
    check(project)


@pytest.mark.parametrize(
    "file", ["client.py", "server.py", "__init__.py", "parts/model.py", "parts/__init__.py", "rules.py"]
)
def test_a_syntax_error_in_what_the_app_imports_is_told_with_its_line(project: Path, file: str) -> None:
    path = project / "mine" / file
    path.write_text(path.read_text() + "def broken(:\n")
    line = len(path.read_text().splitlines())
    with pytest.raises(UsageError, match=rf"{path}:{line}: invalid syntax"):
        check(project)


def test_a_null_byte_is_told(project: Path) -> None:
    (project / "mine" / "rules.py").write_bytes(b"a = 1\0\n")
    with pytest.raises(UsageError, match=r"rules\.py"):
        check(project)


def test_what_the_app_does_not_import_may_be_anything(project: Path) -> None:
    (project / "mine" / "template.py").write_text("{{ name }} is no Python\n")
    check(project)


def test_modules_that_import_each_other_are_read_once(project: Path) -> None:
    (project / "mine" / "rules.py").write_text("from mine import server\n")
    check(project)


def test_apps_of_the_tests_pass() -> None:
    for project in sorted(APPS.glob("*/pyproject.toml")):
        (package,) = [path.parent.name for path in project.parent.glob("*/__init__.py")]
        for module in (project.parent / package).glob("*.py"):
            refuse_unreadable((project.parent,), f"{package}.{module.stem}:app")
