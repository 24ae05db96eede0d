"""Live intensity of a scenario: which signals the coordinator polls, and what they are. Asks no service."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from carbon_data.live.keys import Keys
from carbon_data.live.service import Asked, LiveService
from carbon_data.live.services import open_service
from carbon_data.types import Signal
from coordinator.config import FrozenReading, LiveConfig, LiveSignal, ZoneIntensity
from experiments.errors import UsageError
from experiments.resolve.chosen_policy import needs_truth
from experiments.resolve.origins import origin_dict

if TYPE_CHECKING:
    from carbon_data.sources.recorded import RecordedIntensity
    from experiments.scenario.live import LiveSpec
    from experiments.scenario.model import Scenario

FORECASTS = ("live", "persistence")
"""Kinds of forecast that need no future."""


def live_config(scenario: Scenario, zones: Iterable[str]) -> LiveConfig | None:
    """What the coordinator polls for ``zones``; None where nothing is live. Raises UsageError or DataError."""
    names = list(zones)
    spec, marginal = scenario.intensity.live, scenario.accounting.marginal
    signals: list[LiveSignal] = []
    if spec is not None:
        with scenario.at("intensity", "live"):
            signals += _signals(spec, names, marginal=False)
    if marginal is not None and marginal.live is not None:
        with scenario.at("accounting", "marginal"):
            signals += _signals(marginal.live, names, marginal=True)
    if not signals:
        return None
    specs = [each for each in (spec, None if marginal is None else marginal.live) if each is not None]
    return LiveConfig(
        signals=tuple(signals),
        step_s=scenario.time.trace_step_s,
        wait_s=max(each.wait_s for each in specs),
        own_forecast=scenario.forecast.kind == "live",
    )


def _signals(spec: LiveSpec, zones: list[str], *, marginal: bool) -> list[LiveSignal]:
    if strangers := sorted(set(spec.zones) - set(zones)):
        raise UsageError(f"no node is in {', '.join(strangers)}; zones of this scenario: {', '.join(zones)}")
    found = []
    for zone in zones:
        chosen = spec.of(zone)
        if chosen is None:
            raise UsageError(
                f'zone {zone} has no live service; give service = "..." for all zones, or zones = {{ {zone} = {{ '
                'service = "..." } }'
            )
        found.append(
            LiveSignal(
                zone=zone,
                **chosen.model_dump(),
                marginal=marginal,
                poll_s=spec.poll_s,
                stale_after_s=spec.stale_after_s,
                refuse_after_s=spec.refuse_after_s,
                keep=spec.beyond == "keep",
            )
        )
    _refuse_mixed(found, marginal)
    return found


def _refuse_mixed(signals: list[LiveSignal], marginal: bool) -> None:
    """Average and marginal, direct and life-cycle stand in no column together. Raises UsageError."""
    kinds = {f"{signal.zone} ({signal.service})": service_of(signal).origin for signal in signals}
    if marginal and (others := [name for name, kind in kinds.items() if kind.signal is not Signal.MARGINAL]):
        raise UsageError(f"{others[0]} gives average intensity; accounting.marginal needs a marginal one")
    for what in ("signal", "scope"):
        values = {name: getattr(kind, what) for name, kind in kinds.items()}
        if len(set(values.values())) > 1:
            told = ", ".join(f"{name} {value}" for name, value in values.items())
            raise UsageError(
                f"{told}: intensities of one run have one {what}; choose services of one {what}, or set scope"
            )


def service_of(signal: LiveSignal, keys: Keys | None = None) -> LiveService:
    """The service of a signal. Raises DataError for a zone or scope that it does not have."""
    asked = Asked(signal.zone, signal.place, signal.scope, signal.base_url)
    return open_service(signal.service, asked, keys)


def name_of(signal: LiveSignal) -> str:
    """A signal in words."""
    return f"{signal.zone} from {signal.service}" + (" (marginal)" if signal.marginal else "")


def polled(live: LiveConfig | None) -> dict[str, str]:
    """What the coordinator would poll, by signal: address, how often, keys."""
    found = {}
    for signal in () if live is None else live.signals:
        service = service_of(signal)
        often = f"every {signal.poll_s:g} s" if signal.poll_s else "once a slot"
        keys = f"keys: {' and '.join(service.keys_needed)}" if service.keys_needed else "no key"
        found[name_of(signal)] = f"{service.polls}, {often}; {keys}"
    return found


def live_zones(
    scenario: Scenario, zones: Iterable[str]
) -> tuple[tuple[ZoneIntensity, ...], dict[str, dict[str, Any]]]:
    """Zones whose intensity the coordinator will poll, without values, and their origins. Raises UsageError."""
    if needs_truth(scenario):
        with scenario.at("policy"):
            raise UsageError(
                f"policy {scenario.policy} needs the future, and the intensity is live; record a run under another "
                "policy, and run this one on the recording"
            )
    if scenario.forecast.kind not in FORECASTS:
        with scenario.at("forecast", "kind"):
            raise UsageError(
                f'kind is "{scenario.forecast.kind}", and the future of a live intensity is not known; write '
                '[forecast] kind = "live" (what services forecast, else persistence), or "persistence"'
            )
    if scenario.fleet.kind == "virtual":
        with scenario.at("fleet", "kind"):
            raise UsageError(
                'nodes of kind = "virtual" are computed by column, without a coordinator that polls; record a run '
                'with kind = "inprocess", and run this one on the recording'
            )
    config = live_config(scenario, zones)
    assert config is not None
    found, origins = [], {}
    for signal in config.signals:
        if signal.marginal:
            continue
        origin = origin_dict(service_of(signal).origin)
        origins[f"intensity {signal.zone}"] = origin
        found.append(
            ZoneIntensity(
                zone=signal.zone,
                intensity_g_per_kwh=(),
                origin={key: None if value is None else str(value) for key, value in origin.items()},
            )
        )
    return tuple(found), origins


def readings_of(source: RecordedIntensity, zone: str, slots: int) -> tuple[FrozenReading, ...]:
    """How each slot's recorded value was known."""
    names = set(FrozenReading.model_fields) - {"at"}
    return tuple(
        FrozenReading(at=at, **{name: row[name] for name in names})
        for at, row in zip(source.began()[:slots], source.rows(zone)[:slots], strict=True)
    )
