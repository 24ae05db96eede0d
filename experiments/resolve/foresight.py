"""A scenario's whole run as one fleet with true values, for bounds and checks.

Made by the nodes' and the coordinator's own code, so that it is the same data a run has: traces, work released by
slot, deadlines, costs of batches, batteries, losses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from coordinator.slots.fleet_view import NodeView, build_fleet
from edge_node.build import build_node
from protos.messages.stream import Welcome

if TYPE_CHECKING:
    from coordinator.market.fleet import Fleet
    from experiments.resolve.resolved import Resolved

_RUN = "foresight"


def whole_run(resolved: Resolved) -> Fleet:
    """The fleet before slot 0 whose horizon is the run, with true intensities and harvests; harvest and batteries
    do not depend on the policy. Costs of batches are those that nodes declare (modelled), also where a run meters
    them. Starts nothing."""
    if resolved.scenario.intensity.is_live:
        resolved.scenario.intensity.open()  # says that it is not known beforehand
    slots = len(resolved.stages)
    told = resolved.coordinator_config(_RUN, Path("none"))
    config = told.model_copy(
        update={
            "horizon_slots": slots,
            "known_slots": slots,
            "foresight": True,
            "forecast_known_slots": 0,
            "zones": tuple(
                zone.model_copy(update={"forecast_g_per_kwh": (), "issues": ()}) for zone in told.zones
            ),
        }
    )
    views = {}
    for given in resolved.node_configs(_RUN, "", with_harvest=True):
        node = build_node(
            given.model_copy(
                update={
                    "horizon_slots": slots,
                    "meter": "modelled",
                    "harvest": given.harvest.model_copy(update={"forecast_w": (), "clear_sky_w": ()}),
                }
            ),
            starts=False,
        )
        node.register(_RUN)
        node.on_welcome(
            Welcome(_RUN, epoch=1, heartbeat_s=config.heartbeat_s, lease_s=config.lease_s, next_slot=0)
        )
        views[given.node_id] = NodeView(node.profile(), node.telemetry(), False, 0, None)
    intensity = {zone.zone: zone.intensity_g_per_kwh for zone in config.zones}
    return build_fleet(config, 0, views, intensity)
