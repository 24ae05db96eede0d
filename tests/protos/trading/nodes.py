"""What a node that trades knows, as hypothesis draws it."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from protos.messages.market import (
    MarketKind,
    MarketTerms,
)
from protos.trading.own import Own


def terms(slots: int = 2, **changes: object) -> MarketTerms:
    values = {
        "kind": MarketKind.QUOTES,
        "intensity_g_per_kwh": tuple(300.0 + 50.0 * t for t in range(slots)),
        "later_g_per_kwh": 250.0,
        "scarcity": (),
        "offload_cap_fraction": 0.5,
        "transfer_cap_fraction": 0.5,
        "net_j_per_byte": 1e-8,
        "bytes_per_batch": (50_000.0,) * slots,
        "offloadable": (True,) * slots,
    }
    return MarketTerms(**(values | changes))  # type: ignore[arg-type]


def own(slots: int = 2, **changes: object) -> Own:
    values = {
        "slot_s": 60.0,
        "harvest_j": np.full(slots, 100.0),
        "battery_j": 200.0,
        "backlog_batches": (20,),
        "room_batches": (10,),
        "release_batches": (20,) * (slots - 1),
        "static_w": 2.0,
        "seconds_per_batch": np.full(slots, 1.5),
        "joules_per_batch": np.full(slots, 5.0),
        "tx_j_per_byte": 3e-7,
        "rx_j_per_byte": 2e-7,
        "storage_bytes": 1e9,
        "export_efficiency": 0.97,
        "import_efficiency": 0.96,
        "battery_capacity_j": 600.0,
        "charge_efficiency": 0.95,
        "discharge_efficiency": 0.94,
        "self_discharge_fraction": 0.001,
        "charge_limit_w": 8.0,
        "discharge_limit_w": 8.0,
    }
    return Own(**(values | changes))  # type: ignore[arg-type]


OWNS = st.builds(
    lambda harvest, battery, backlog, capacity, room: own(
        harvest_j=np.array([harvest, harvest]),
        battery_capacity_j=capacity,
        battery_j=battery * capacity,
        backlog_batches=(backlog,),
        room_batches=(min(room, backlog),),
    ),
    st.floats(0, 900),
    st.floats(0, 1),
    st.integers(0, 50),
    st.sampled_from([0.0, 300.0, 2000.0]),
    st.integers(0, 50),
)
TERMS = st.builds(
    lambda now, next_, later: terms(intensity_g_per_kwh=(now, next_), later_g_per_kwh=later),
    st.floats(1, 900),
    st.floats(1, 900),
    st.floats(0, 900),
)
