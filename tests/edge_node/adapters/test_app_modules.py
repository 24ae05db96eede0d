"""Modules of users' projects: each run imports those of its own project."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_node.adapters.app_modules import AppLoadError, forget_apps, load_app_object


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    yield
    forget_apps()


def project(folder: Path, text: str, package: str = "same_name") -> str:
    (folder / package).mkdir(parents=True)
    (folder / package / "__init__.py").touch()
    (folder / package / "task.py").write_text(f"seen = []\nvalue = {text}\n")
    (folder / package / "client.py").write_text(f"from {package}.task import seen, value\n")
    return str(folder)


def test_two_projects_whose_packages_have_one_name_share_no_module(tmp_path: Path) -> None:
    for value in (1, 2):
        folder = project(tmp_path / str(value), str(value))
        assert load_app_object("same_name.client:value", folder, int) == value
        assert load_app_object("same_name.task:value", folder, int) == value
        forget_apps()
    assert not [name for name in sys.modules if name.startswith("same_name")]
    assert not [place for place in sys.path if place.startswith(str(tmp_path))]


def test_a_second_run_of_a_project_begins_with_fresh_modules(tmp_path: Path) -> None:
    folder = project(tmp_path, "1")
    for _ in range(2):
        seen = load_app_object("same_name.client:seen", folder, list)
        assert load_app_object("same_name.task:seen", folder, list) is seen, "one run, one module"
        assert seen == []
        seen.append("a run")
        forget_apps()


def test_a_name_that_is_taken_and_a_package_that_lacks_are_said_with_the_way_out(tmp_path: Path) -> None:
    taken = project(tmp_path / "taken", "1", package="json")
    with pytest.raises(AppLoadError, match=r"a package json is imported already, from .*json.* otherwise"):
        load_app_object("json.decoder:JSONDecoder", taken, type)
    forget_apps()
    lacking = project(tmp_path / "lacking", "__import__('no_such_package.part')")
    with pytest.raises(AppLoadError, match="install no_such_package where the app runs"):
        load_app_object("same_name.client:value", lacking, int)
    forget_apps()
    with pytest.raises(AppLoadError, match=r"No module named 'same_name\.nowhere' \(at [^;]*\)$"):
        load_app_object("same_name.nowhere:value", project(tmp_path / "gone", "1"), int)
    forget_apps()
    other = project(tmp_path / "other", "1")
    with pytest.raises(AppLoadError, match="is a int, no str of Flower's"):
        load_app_object("same_name.client:value", other, str)
