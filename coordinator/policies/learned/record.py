"""A training's record, beside its weights: how they came about, and their hash, which is checked."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from carbon_data.types import DataError

DIGEST = "weights_sha256"
"""Key of the record."""


def beside(weights: Path) -> Path:
    """The record's file: rl.json of rl.safetensors."""
    return weights.with_suffix(".json")


def digest_of(weights: Path) -> str:
    """sha256 of the file, hex. Raises DataError for one that cannot be read."""
    try:
        return hashlib.sha256(weights.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(
            f"{weights}: no weights can be read ({error}); give a file that a training wrote"
        ) from error


def record_of(weights: Path) -> dict[str, Any]:
    """The record beside ``weights``. Raises DataError where there is none, and where it is of other weights."""
    path, got = beside(weights), digest_of(weights)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path}: no record can be read ({error}); give weights with the record that their training wrote"
        ) from error
    expected = found.get(DIGEST) if isinstance(found, dict) else None
    if expected is None:
        raise DataError(
            f"{path} has no {DIGEST}; expected {got}, of {weights.name}: train again, or add it where you know that "
            "they belong together"
        )
    if got != expected:
        raise DataError(
            f"{weights} has sha256 {got}, expected {expected}, as {path.name} says: they are of two trainings, or one "
            "file was changed; take both from one training"
        )
    return dict(found)
