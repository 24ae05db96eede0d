"""Every kind of name that a scenario may use can be listed, with a word on each."""

from __future__ import annotations

import pytest

from experiments.commands.kinds import CATALOGUE, catalogue


@pytest.mark.parametrize("kind", CATALOGUE)
def test_every_entry_says_what_it_is(kind: str) -> None:
    found = catalogue(kind)
    assert found
    assert all(name and text for name, text in found.items())
