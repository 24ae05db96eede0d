"""Error message for an unknown zone."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from carbon_data.types import UnknownZoneError


def unknown_zone(zone: str, zones: Iterable[str], source: str) -> UnknownZoneError:
    """An error that names the nearest zones: by spelling, or by a part such as ``SCL`` for ``US-NW-SCL``."""
    known = sorted(zones)
    wanted = zone.strip().upper()
    parts = [
        name for name in known if wanted and (wanted in name.upper().split("-") or name.upper() in wanted)
    ]
    starts = [name for name in known if wanted and name.upper().startswith(wanted + "-")]
    close = difflib.get_close_matches(wanted, known, n=5, cutoff=0.5)
    nearest = list(dict.fromkeys([*parts, *starts, *close]))[:5]
    hint = f"did you mean {', '.join(nearest)}?" if nearest else "nothing is spelt alike."
    some = ", ".join(known) if len(known) <= 40 else ", ".join(known[:12]) + ", ..."
    return UnknownZoneError(f"zone {zone!r} is not in {source}: {hint} It has {len(known)} zones: {some}")
