"""Checks of a configuration beyond its schema, and the part of it that the ledger keeps. Pure."""

from __future__ import annotations

from typing import Any

from carbon_data.types import DataError
from coordinator.config import CoordinatorConfig, ZoneIntensity
from protos.messages.terms import HOLDERS


def check_config(config: CoordinatorConfig) -> None:
    """Check what the schema cannot express. Raises DataError naming what is missing."""
    zones = [zone.zone for zone in config.zones]
    if len(set(zones)) != len(zones):
        raise DataError(f"zones are named twice in {zones}; give one series for each zone")
    if config.body.zone not in zones:
        raise DataError(f"the coordinator's zone {config.body.zone} has no intensities; given are {zones}")
    reserved = set(config.node_ids) & set(HOLDERS)
    if reserved or len(set(config.node_ids)) != len(config.node_ids):
        raise DataError(f"node ids must differ and not be one of {HOLDERS}; got {config.node_ids}")
    needed = len(config.stages)
    live = () if config.live is None else config.live.zones
    if strangers := sorted(set(live) - set(zones)):
        raise DataError(f"live signals are given for {strangers}; zones of the run are {zones}")
    for zone in config.zones:
        if zone.zone in live:
            _check_live(zone, config)
            continue
        for series in (zone.intensity_g_per_kwh, *filter(None, (zone.forecast_g_per_kwh,))):
            if len(series) < needed:
                raise DataError(
                    f"zone {zone.zone} has {len(series)} intensities and needs {needed}, one for each slot"
                )
            if min(series) < 0:
                raise DataError(f"zone {zone.zone} has a negative intensity; allowed are values >= 0")
        if config.foresight and (zone.forecast_g_per_kwh or zone.issues):
            raise DataError(f"zone {zone.zone} has a forecast in a run with foresight; give one or the other")
        if zone.issues:
            _check_issues(zone, config)


def _check_live(zone: ZoneIntensity, config: CoordinatorConfig) -> None:
    """Raises DataError for a live zone of which something is known beforehand, or is to be."""
    if zone.intensity_g_per_kwh or zone.forecast_g_per_kwh or zone.issues:
        raise DataError(f"zone {zone.zone} is live and has a series as well; give one or the other")
    if config.foresight:
        raise DataError(
            f"policy {config.policy} needs the future, and zone {zone.zone} is live: record a run first"
        )


def _check_issues(zone: ZoneIntensity, config: CoordinatorConfig) -> None:
    """Raises DataError unless every decision finds an issue that covers its whole look-ahead."""
    if zone.forecast_g_per_kwh:
        raise DataError(
            f"zone {zone.zone} has issued forecasts and a series of expectations; give one or the other"
        )
    begins = [issue.from_slot for issue in zone.issues]
    if begins[0] != 0 or sorted(set(begins)) != begins:
        raise DataError(
            f"zone {zone.zone}: forecasts are issued for decisions from slots {begins} on; they must ascend from 0"
        )
    total = len(config.stages)
    for issue, end in zip(zone.issues, [*begins[1:], total], strict=True):
        if min(issue.g_per_kwh, default=0.0) < 0:
            raise DataError(
                f"zone {zone.zone}: the forecast issued {issue.issued} holds a negative intensity; allowed are values "
                ">= 0"
            )
        last_decision = min(end, total) - 1
        needed = min(last_decision + config.look_ahead_slots, total) - issue.from_slot - 1
        if len(issue.g_per_kwh) < needed:
            raise DataError(
                f"zone {zone.zone}: the forecast issued {issue.issued} has {len(issue.g_per_kwh)} values after slot "
                f"{issue.from_slot}, decisions that rest on it look at {needed}"
            )


def told_config(config: CoordinatorConfig) -> dict[str, Any]:
    """The configuration as the ledger keeps it: without the paths, addresses and certificates of this start."""
    told = config.model_dump(mode="json")
    for zone in told["zones"]:
        if not zone["readings"]:
            del zone["readings"]
    unset = [name for name in ("overrun", "live") if getattr(config, name) is None]
    if not config.measured_batteries:
        unset.append("measured_batteries")
    if not config.turns:
        unset.append("turns")
    left_out = {"ledger_path", "host", "port", "access", *unset}
    return {name: value for name, value in told.items() if name not in left_out}


def require_same_config(recorded: dict[str, Any], told: dict[str, Any]) -> None:
    """Raises DataError naming what differs from the configuration a ledger was begun with."""
    different = [name for name in told if recorded.get(name) != told[name]]
    if different:
        raise DataError(
            f"the ledger was begun with another configuration: {', '.join(different)} differ; continue with "
            "the configuration of that run, or choose another run folder"
        )
