"""Views of a fleet: a shorter look-ahead, or the future as it will be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from coordinator.market.fleet import Fleet


def window(fleet: Fleet, slots: int) -> Fleet:
    """The first ``slots`` of the horizon (all of it when it is shorter). What a joule stored at their end is worth is
    the caller's to say: the fleet's own value is that at the end of all that is known."""
    if slots < 1:
        raise ValueError(f"a horizon of {slots} slots; allowed is 1 or more")
    if slots >= fleet.horizon:
        return fleet
    can = fleet.can_sleep
    truth_c, truth_h = fleet.true_intensity_g_per_kwh, fleet.true_harvest_j
    return replace(
        fleet,
        intensity_g_per_kwh=fleet.intensity_g_per_kwh[:, :slots],
        harvest_j=fleet.harvest_j[:, :slots],
        release_batches=fleet.release_batches[:, : slots - 1],
        seconds_per_batch=fleet.seconds_per_batch[:, :slots],
        joules_per_batch=fleet.joules_per_batch[:, :slots],
        model_j=None if fleet.model_j is None else fleet.model_j[:, :slots],
        request_j=None if fleet.request_j is None else fleet.request_j[:, :slots],
        bytes_per_batch=fleet.bytes_per_batch[:slots],
        offloadable=fleet.offloadable[:slots],
        can_sleep=can if can is None or can.ndim == 1 else can[:, :slots],
        release_last_slot=None if fleet.release_last_slot is None else fleet.release_last_slot[:slots],
        true_intensity_g_per_kwh=None if truth_c is None else truth_c[:, :slots],
        true_harvest_j=None if truth_h is None else truth_h[:, :slots],
    )


def with_truth(fleet: Fleet) -> Fleet:
    """The fleet with the true future in place of forecasts. Raises ValueError where the true
    future is not set."""
    if fleet.true_intensity_g_per_kwh is None or fleet.true_harvest_j is None:
        raise ValueError(
            "this policy needs perfect foresight, but fleet.true_intensity_g_per_kwh and "
            "fleet.true_harvest_j are not set; run it with oracle information, or "
            "choose det, dat or deta with a forecast"
        )
    return replace(fleet, intensity_g_per_kwh=fleet.true_intensity_g_per_kwh, harvest_j=fleet.true_harvest_j)


def product_form(fleet: Fleet) -> Fleet:
    """The fleet with losses in product form: itself, or, where they are given by pair, the cautious reading
    out_i = least efficiency of i's transfers, in_j = 1. Transfers agreed under it can be delivered."""
    if fleet.loss_fraction is None:
        return fleet
    efficiency = 1.0 - fleet.loss_fraction
    np.fill_diagonal(efficiency, 1.0)
    return replace(
        fleet,
        loss_fraction=None,
        export_efficiency=efficiency.min(axis=1),
        import_efficiency=np.ones(fleet.size),
    )
