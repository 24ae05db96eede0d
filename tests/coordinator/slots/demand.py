"""Demand of nodes that trade."""

from __future__ import annotations

from hypothesis import strategies as st

from carbon_data.storage import Battery
from edge_node.config import BatteryConfig
from edge_node.energy.battery import battery_of
from protos.messages.stream import NodeProfile

SLOT_S = 60.0
energies = st.integers(0, 10**12)
fractions = st.floats(0.0, 0.99)


@st.composite
def profiles(draw: st.DrawFn) -> NodeProfile:
    return NodeProfile(
        zone="Z0",
        static_w=2.0,
        sleep_w=0.1,
        wake_j=0.0,
        wake_s=0.0,
        tx_j_per_byte=0.0,
        rx_j_per_byte=0.0,
        storage_bytes=0,
        battery_capacity_uj=draw(energies),
        charge_efficiency_fraction=draw(st.floats(0.3, 1.0)),
        discharge_efficiency_fraction=draw(st.floats(0.3, 1.0)),
        self_discharge_fraction=draw(st.floats(0.0, 0.2)),
        charge_limit_w=draw(st.floats(0.001, 1e4)),
        discharge_limit_w=draw(st.floats(0.001, 1e4)),
        export_loss_fraction=draw(fractions),
        import_loss_fraction=draw(fractions),
        work=(),
        meter="modelled",
        provenance="modelled",
        num_examples=0,
        data_digest="0" * 64,
    )


def cells(profile: NodeProfile) -> Battery:
    return battery_of(
        BatteryConfig(
            capacity_j=profile.battery_capacity_uj / 1e6,
            charge_efficiency_fraction=profile.charge_efficiency_fraction,
            discharge_efficiency_fraction=profile.discharge_efficiency_fraction,
            self_discharge_fraction=profile.self_discharge_fraction,
            charge_limit_w=profile.charge_limit_w,
            discharge_limit_w=profile.discharge_limit_w,
        ),
        SLOT_S,
    )
