"""The page on planning lists every option of every policy, with its default."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from coordinator.policies.registry import POLICIES, resolve

PAGE = (Path(__file__).parents[2] / "docs" / "planning.md").read_text(encoding="utf-8")


def stated() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    names: list[str] = []
    for policies, option, default in re.findall(r"^\| (.*?) ?\| `(\w+)` \((.*?)\) \|", PAGE, re.MULTILINE):
        names = re.findall(r"`([\w-]+)`", policies) or names
        for name in names:
            found.setdefault(name, {})[option] = default
    return found


def test_options_and_defaults_are_those_of_the_classes() -> None:
    taken = {
        name: {
            key: repr(parameter.default)
            for key, parameter in inspect.signature(resolve(name)).parameters.items()
        }
        for name in POLICIES
    }
    assert stated() == {name: options for name, options in taken.items() if options}
