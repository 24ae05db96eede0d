"""Where in a TOML text a key stands, so that a message about a value can name its line."""

from __future__ import annotations

from experiments.scenario.toml_lines import find_line, line_index


def test_lines_are_found_in_nested_arrays_of_tables() -> None:
    index = line_index("a = 1\n[[nodes]]\nzone = 'x'\n[[nodes]]\n[nodes.battery]\ncapacity_wh = 1\n")
    assert find_line(index, ("nodes", 1, "battery", "capacity_wh")) == 6
    assert find_line(index, ("nodes", 0, "zone", "deeper")) == 3
    assert find_line(index, ("absent",)) is None
