"""Samples of messages."""

from __future__ import annotations

from protos.messages import stream
from protos.messages.parcels import Parcel, Tensor
from protos.messages.terms import Stage

PROFILE = stream.NodeProfile(
    zone="NO",
    static_w=2.0,
    sleep_w=0.1,
    wake_j=1.0,
    wake_s=1.0,
    tx_j_per_byte=0.0,
    rx_j_per_byte=0.0,
    storage_bytes=1,
    battery_capacity_uj=1,
    charge_efficiency_fraction=0.9,
    discharge_efficiency_fraction=0.9,
    self_discharge_fraction=0.0,
    charge_limit_w=1.0,
    discharge_limit_w=1.0,
    export_loss_fraction=0.0,
    import_loss_fraction=0.0,
    work=(stream.WorkProfile(Stage.DEVELOPMENT, 1.0, 1.0, 1),),
    meter="modelled",
    provenance="modelled",
    num_examples=1,
    data_digest="0" * 64,
)
PARCEL = Parcel("run", 1, 2, "n1", "n2", (4, 5), (Tensor("images", "uint8", (3, 2), bytes(6)),), (1, 2))
