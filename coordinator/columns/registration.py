"""The entry that registers all nodes of a virtual fleet, and what it says of each. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carbon_data.exact import Ints
from coordinator.columns.postings import opening_postings
from coordinator.config import CoordinatorConfig
from coordinator.ledger.columns import Columns, column_entry
from coordinator.ledger.entry import Entry, Kind
from protos.messages.stream import NodeProfile


def registration(config: CoordinatorConfig, profiles: Sequence[NodeProfile], battery_uj: Ints) -> Entry:
    """All nodes with their profiles, each kept once, and what their batteries hold. Where each node has its own data,
    what it registers of them is in columns."""
    shares: Columns = {}
    if len({(profile.num_examples, profile.data_digest) for profile in profiles}) > 1:
        shares = {
            "num_examples": np.array([profile.num_examples for profile in profiles], dtype=np.int64),
            "data_digest": np.stack([_bytes(profile.data_digest) for profile in profiles]),
        }
        profiles = [replace(profile, num_examples=0, data_digest="") for profile in profiles]
    kinds = {profile: place for place, profile in enumerate(dict.fromkeys(profiles))}
    body = {"nodes": len(profiles), "profiles": [asdict(profile) for profile in kinds]}
    columns = {
        "profile": np.array([kinds[profile] for profile in profiles], dtype=np.int64),
        "battery_uj": battery_uj,
        **shares,
    }
    return column_entry(Kind.FLEET, "fleet", body, columns, opening_postings(battery_uj))


def registered(body: Mapping[str, Any], columns: Columns) -> list[Mapping[str, Any]]:
    """(N,) what each node registered."""
    found = [body["profiles"][kind] for kind in columns["profile"].tolist()]
    if "data_digest" not in columns:
        return found
    digests = columns["data_digest"].astype(np.int8)
    return [
        {**profile, "num_examples": examples, "data_digest": digest.tobytes().hex()}
        for profile, examples, digest in zip(found, columns["num_examples"].tolist(), digests, strict=True)
    ]


def _bytes(digest: str) -> NDArray[np.int8]:
    return np.frombuffer(bytes.fromhex(digest), dtype=np.int8)
