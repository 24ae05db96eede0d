"""Whether two run folders tell of one scenario: only then their figures may stand side by side.

A scenario is what its ``scenario.toml`` says (every default is written out there) with what it resolved to: length of a
slot, data, intensities. Not part of it are the policy with its options and the seed, which comparisons vary, and where
processes run, which changes no figure.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from experiments.run_folder.files import SCENARIO
from experiments.wording import few

VARIED = ("policy", "policy_options", "seed")
PLACES = (
    *("fleet.kind", "fleet.processes", "fleet.isolation", "fleet.address", "fleet.boards", "fleet.cluster"),
    *("fleet.port", "coordinator.host", "coordinator.port", "coordinator.insecure"),
)
RESOLVED = ("slot_s", "data_used", "recycling_data", "intensity_digest")
"""Keys of a run's metadata that say what its scenario resolved to."""
KEYS_AT_MOST = 8


def digest_of(values: Sequence[float]) -> str:
    """Of a series, short enough to read."""
    return hashlib.sha256(json.dumps(list(values)).encode()).hexdigest()[:12]


def scenario_facts(text: str, metadata: Mapping[str, Any]) -> dict[str, str]:
    """What a run's scenario says, by dotted key. ``text``: its ``scenario.toml``; empty where there is none."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        document = {SCENARIO: text}
    facts = dict(_flat(document, ""))
    facts |= dict(_flat({f"resolved {key}": metadata[key] for key in RESOLVED if key in metadata}, ""))
    return {
        key: value
        for key, value in facts.items()
        if key not in PLACES and key.partition(".")[0] not in VARIED
    }


def scenario_digest(facts: Mapping[str, str]) -> str:
    """The same for two runs of one scenario under any policies and seeds."""
    return hashlib.sha256(json.dumps(sorted(facts.items())).encode()).hexdigest()


def difference(one: Mapping[str, str], other: Mapping[str, str]) -> str:
    """Keys in which two scenarios differ, with both values; empty where they are one."""
    keys = sorted(key for key in {*one, *other} if one.get(key) != other.get(key))
    texts = [f"{key} ({one.get(key, 'not given')} and {other.get(key, 'not given')})" for key in keys]
    return few(texts, KEYS_AT_MOST)


def _flat(value: Any, key: str) -> Iterable[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flat(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        for place, inner in enumerate(value):
            yield from _flat(inner, f"{key}.{place}")
    else:
        yield key, str(value)
