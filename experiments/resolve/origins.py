"""Origins of data as plain values, for metadata and reports."""

from __future__ import annotations

from typing import Any

from carbon_data.types import Origin


def origin_dict(origin: Origin) -> dict[str, Any]:
    """An Origin as plain data, for metadata and reports."""
    return {
        "source": origin.source,
        "licence": origin.licence,
        "signal": None if origin.signal is None else origin.signal.value,
        "scope": None if origin.scope is None else origin.scope.value,
        "provenance": origin.provenance.value,
        "sha256": origin.sha256,
        "url": origin.url,
        "notes": "; ".join(origin.notes) or None,
        "stand_in": origin.stand_in,
    }
