"""Every file of checks has its forged ledgers (forging.py), and a test that none of its findings is without one."""

from __future__ import annotations

import importlib
import json
import pkgutil

from coordinator.ledger import checks
from tests.coordinator.ledger.checks.forging import FINDINGS, sites_of

BY_COLUMN = "columns"
"""Findings about slots by column are in test_columns."""


def test_every_file_that_finds_something_has_forged_ledgers() -> None:
    names = [module.name for module in pkgutil.iter_modules(checks.__path__) if module.name != BY_COLUMN]
    sites = {name: sites_of(importlib.import_module(f"coordinator.ledger.checks.{name}")) for name in names}
    verify = importlib.import_module("coordinator.ledger.verify")
    tested = {name: f"checks.test_{name}" for name, found in sites.items() if found} | {
        "verify": "test_verify"
    }
    assert sum(len(found) for found in sites.values()) + len(sites_of(verify)) > 45
    assert set(json.loads(FINDINGS.read_text(encoding="utf-8"))) == set(tested)
    for place in tested.values():
        assert hasattr(
            importlib.import_module(f"tests.coordinator.ledger.{place}"),
            "test_no_finding_is_without_a_forged_ledger",
        )
