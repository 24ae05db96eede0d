"""The houses as a fleet of the testbed: loads as work that stays at home, panels as harvest."""

from __future__ import annotations

import numpy as np

from carbon_data.units import JOULES_PER_KWH
from coordinator.market.fleet import Fleet, Limits
from coordinator.simulator.simulate import World
from experiments.studies.citylearn.houses import Houses

SLOT_S = 3600.0
HISTORY_H = 24
"""Hours before a world that forecasts look back on."""
TRANSFER_LOSS_FRACTION = 0.05
"""Of energy on its way between houses: losses of transmission and distribution in the United States, 2018 to 2022 (US
Energy Information Administration, "How much electricity is lost in electricity transmission and distribution in the
United States?", 2023, https://www.eia.gov/tools/faqs/faq.php?id=105). Between neighbours it is rather less."""
WHOLE_HARVEST = 1.0
"""b_h of (D6), over the run: a house may send all that its panels have given."""

SERVER_BATCHES = 10
SERVER_BATCH_J = 36_000.0
"""An edge server in every house: ten batches an hour of 10 Wh, 100 W on average. A choice: the houses' own load is
there when it is there, and nothing of it can run in another house."""
SERVER_OFFLOAD_FRACTION = 0.5
"""b_y of (D5), the paper's."""
SERVER_BATCH_BYTES = 1e8
"""Of a batch on its way; a choice."""
NET_J_PER_BYTE = 2e-8
"""Network between houses, as on the reference day of the project's fleets; 2 J a batch."""
_SECONDS_PER_BATCH = 60.0
"""So that all batches of two houses fit into an hour of one."""


def world_of(
    houses: Houses,
    begin: int = 0,
    end: int | None = None,
    *,
    loss_fraction: float = 0.0,
    servers: bool = False,
    batteries: bool = True,
) -> World:
    """The hours from ``begin`` up to ``end`` (all), batteries empty at first and worth nothing at the end.

    A house's load is energy of its own work: one batch an hour that stays at home. ``servers``: ten batches instead,
    each of them 10 Wh of computing, which may move, and a tenth of the load, which is drawn at home wherever the batch
    runs (``Fleet.request_j``). Without ``batteries`` panels alone. Hours before ``begin`` are history, as far as a day
    of them is there."""
    end = houses.load_kwh.shape[1] if end is None else end
    part = houses.hours(begin, end)
    n, hours = part.load_kwh.shape
    batches = SERVER_BATCHES if servers else 1
    load_j = part.load_kwh * JOULES_PER_KWH / batches
    none, ones = np.zeros(n), np.ones(n)
    capacity = part.battery_kwh * JOULES_PER_KWH if batteries else none
    limit_w = part.battery_kw * 1000.0
    fleet = Fleet(
        node_ids=part.names,
        slot=0,
        slot_s=SLOT_S,
        stage="development",
        limits=Limits(
            offload_cap_fraction=SERVER_OFFLOAD_FRACTION if servers else 0.0,
            transfer_cap_fraction=WHOLE_HARVEST,
            transfer_cap_over="horizon",
            net_j_per_byte=NET_J_PER_BYTE if servers else 0.0,
        ),
        intensity_g_per_kwh=np.repeat(part.intensity_g_per_kwh[None], n, axis=0),
        harvest_j=part.pv_kwh * JOULES_PER_KWH,
        backlog_batches=np.full((n, 1), batches, dtype=np.int64),
        release_batches=np.full((n, hours - 1), batches, dtype=np.int64),
        seconds_per_batch=np.full((n, hours), _SECONDS_PER_BATCH),
        joules_per_batch=load_j + SERVER_BATCH_J if servers else load_j,
        request_j=load_j if servers else None,
        bytes_per_batch=np.full(hours, SERVER_BATCH_BYTES if servers else 0.0),
        offloadable=np.full(hours, servers),
        static_w=none,
        sleep_w=none,
        wake_j=none,
        wake_s=none,
        tx_j_per_byte=none,
        rx_j_per_byte=none,
        storage_bytes=np.full(n, 2 * SERVER_BATCHES * SERVER_BATCH_BYTES),
        export_efficiency=np.full(n, 1.0 - loss_fraction),
        import_efficiency=ones,
        battery_j=none,
        battery_capacity_j=capacity,
        charge_efficiency=np.full(n, houses.one_way_fraction),
        discharge_efficiency=np.full(n, houses.one_way_fraction),
        self_discharge_fraction=none,
        charge_limit_w=limit_w,
        discharge_limit_w=limit_w,
        stored_value_g_per_j=none,
        asleep=np.zeros(n, dtype=bool),
    )
    if begin < HISTORY_H:
        return World(fleet)
    past = houses.hours(begin - HISTORY_H, begin)
    return World(
        fleet,
        intensity_before_g_per_kwh=np.repeat(past.intensity_g_per_kwh[None], n, axis=0),
        harvest_before_j=past.pv_kwh * JOULES_PER_KWH,
    )
