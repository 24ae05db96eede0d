"""What tests of several pages share."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from carbon_data.own_code import VARIABLE
from tests.docs.pages import OwnModules


@pytest.fixture
def own_modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[OwnModules]:
    """``own_modules(name)``: the module of that name is imported anew, from the folder of the scenario of this test."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delenv(VARIABLE, raising=False)
    named: list[str] = []

    def forget(name: str) -> None:
        named.append(name)
        sys.modules.pop(name, None)

    yield forget
    for name in named:
        sys.modules.pop(name, None)
