"""The wheels of a board are resolved as the board would: its conditions, every requirement, no CUDA."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from docs import arm64_wheels


class Index:
    """Wheels of an index, by name and version, with what they require."""

    def __init__(self, folder: Path, offered: Mapping[tuple[str, str], Sequence[str]]) -> None:
        self._folder, self._offered = folder, offered
        self.fetched: list[str] = []

    def __call__(self, requirement: Requirement) -> Path:
        name, version = max(
            (name, version)
            for name, version in self._offered
            if name == requirement.name and requirement.specifier.contains(version)
        )
        self.fetched.append(f"{name} {version}")
        path = self._folder / f"{name}-{version}-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as archive:
            told = "".join(f"Requires-Dist: {need}\n" for need in self._offered[name, version])
            archive.writestr(
                f"{name}-{version}.dist-info/METADATA", f"Name: {name}\nVersion: {version}\n{told}"
            )
        return path


def versions(
    index: Index, *requirements: str, python: str = "3.13", installed: Mapping[str, str] | None = None
) -> dict[str, str]:
    wanted = [Requirement(text) for text in requirements]
    found = arm64_wheels.resolved(wanted, python, index, (installed or {}).get)
    return {name: wheel.version for name, wheel in found.items()}


def test_conditions_are_the_boards_and_cuda_stays_away(tmp_path: Path) -> None:
    offered = {
        ("torch", "2.0"): (
            'nvidia-cublas; platform_system == "Linux"',
            'arm; platform_machine == "aarch64"',
            'intel; platform_machine == "x86_64"',
            'old; python_version < "3.12"',
            'test; extra == "dev"',
        ),
        ("arm", "1.0"): (),
        ("old", "1.0"): (),
    }
    assert versions(Index(tmp_path, offered), "torch") == {"torch": "2.0", "arm": "1.0"}
    assert versions(Index(tmp_path, offered), "torch", python="3.11").keys() == {"torch", "arm", "old"}


def test_a_wheel_that_another_excludes_is_fetched_again(tmp_path: Path) -> None:
    index = Index(tmp_path, {("a", "1.0"): (), ("a", "2.0"): (), ("b", "1.0"): ("a<2",)})
    assert versions(index, "a>=1", "b") == {"a": "1.0", "b": "1.0"}
    assert index.fetched == ["a 2.0", "b 1.0", "a 1.0"]


def test_versions_are_those_of_this_environment_where_they_fit(tmp_path: Path) -> None:
    offered = {("a", "1.0"): (), ("a", "2.0"): (), ("b", "1.0"): (), ("b", "2.0"): ()}
    found = versions(Index(tmp_path, offered), "a", "b>=2", installed={"a": "1.0", "b": "1.0"})
    assert found == {"a": "1.0", "b": "2.0"}


def test_a_table_has_a_row_for_each_wheel(tmp_path: Path) -> None:
    found = arm64_wheels.resolved(
        [Requirement("b"), Requirement("a")], "3.13", Index(tmp_path, {("a", "1.0"): (), ("b", "3.0"): ()})
    )
    assert arm64_wheels.as_table(found.values()).splitlines()[2:] == [
        "| a | 1.0 | `a-1.0-py3-none-any.whl` |",
        "| b | 3.0 | `b-3.0-py3-none-any.whl` |",
    ]


def test_a_source_archive_is_not_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[list[str]] = []

    def run(command: list[str], *, check: bool) -> None:
        asked.append(command)
        place = Path(command[command.index("--dest") + 1])
        (place / "a-1.0-py3-none-any.whl").write_bytes(b"")

    monkeypatch.setattr(arm64_wheels.subprocess, "run", run)
    assert (
        arm64_wheels.pip_download("3.13", tmp_path)(Requirement("a>=1"))
        == tmp_path / "a-1.0-py3-none-any.whl"
    )
    assert "--only-binary=:all:" in asked[0]
    assert "manylinux_2_28_aarch64" in asked[0]
    assert asked[0][-1] == "a>=1"
