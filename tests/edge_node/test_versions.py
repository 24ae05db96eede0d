"""Versions of two machines: only what both know and what differs is said."""

from __future__ import annotations

from edge_node.versions import differences, versions


def test_a_machine_knows_python_and_what_is_installed_without_builds() -> None:
    found = versions()
    assert found["python"].count(".") == 1
    assert "+" not in "".join(found.values())
    assert found["flwr"].startswith("1.4")
    assert differences(found, found) == ""


def test_what_differs_is_named_with_both_versions() -> None:
    ours = {"python": "3.11", "flwr": "1.41.0", "detabed": "0.2"}
    assert differences({"python": "3.11", "flwr": "1.40.0"}, ours) == "flwr 1.40.0 (here 1.41.0)"
    assert differences({"python": "3.12", "flwr": "1.41.0", "detabed": "0.1"}, ours) == (
        "python 3.12 (here 3.11), detabed 0.1 (here 0.2)"
    )
