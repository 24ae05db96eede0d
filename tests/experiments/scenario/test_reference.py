"""Documentation page of all scenario keys, generated from the model that validates them."""

from __future__ import annotations

from experiments.scenario import reference


def test_the_reference_page_is_fresh_and_leaves_no_key_unexplained():
    assert reference.PAGE.read_text(encoding="utf-8") == reference.page()
    assert not [line for line in reference.page().splitlines() if line.endswith("|  |")]
