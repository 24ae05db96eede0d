"""The run's traces: intensity of every zone, harvest of every node, and what is expected of either."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from carbon_data.sources.recorded import RecordedIntensity
from carbon_data.sources.registry import harvest_source
from coordinator.config import ForecastIssue, ZoneIntensity
from edge_node.config import HarvestConfig
from experiments.errors import UsageError
from experiments.resolve.chosen_policy import SECONDS_PER_DAY, known_slots, needs_truth
from experiments.resolve.issued import open_forecast, zone_issues
from experiments.resolve.live import live_zones, readings_of
from experiments.resolve.origins import origin_dict
from experiments.scenario.keys import refuse_doubled
from experiments.scenario.model import Scenario
from experiments.scenario.names import node_name
from experiments.scenario.places import HarvestSpec, NodeSpec

if TYPE_CHECKING:
    from experiments.progress import Watch


def zone_traces(
    scenario: Scenario, intervals: int
) -> tuple[tuple[ZoneIntensity, ...], dict[str, dict[str, Any]]]:
    """Intensity of every zone of the run over ``intervals``, and its origin by name. Raises UsageError where the
    scenario names the zone."""
    if scenario.intensity.is_live:
        return live_zones(scenario, zone_places(scenario))
    with scenario.at("intensity"):
        source = scenario.intensity.open()
    if isinstance(source, RecordedIntensity):
        return _recorded_zones(scenario, source)
    if scenario.forecast.kind == "live":
        with scenario.at("forecast", "kind"):
            raise UsageError(
                f'kind = "live" is for source = "live" or "recorded" of [intensity], which is "'
                f'{scenario.intensity.source}"; choose another kind'
            )
    step = timedelta(seconds=scenario.time.trace_step_s)
    issued = scenario.forecast.kind == "file" and not needs_truth(scenario)
    with scenario.at("forecast"):
        file = open_forecast(scenario.forecast) if issued else None
    decided = {spec.zone for spec in scenario.nodes}
    zones, origins = [], {}
    for zone, place in zone_places(scenario).items():
        with scenario.at(*place):
            series = source.series(zone, scenario.time.start, step, intervals)
        origin = origin_dict(series.origin)

        def earlier(start: datetime, zone: str = zone) -> NDArray[np.float64]:
            return source.series(zone, start, step, intervals).intensity_g_per_kwh

        forecast: tuple[float, ...] = ()
        issues: tuple[ForecastIssue, ...] = ()
        with scenario.at("forecast"):
            if file is None:
                forecast = _forecast(
                    scenario, scenario.forecast.kind, series.intensity_g_per_kwh, earlier, zone
                )
            elif zone in decided:
                issues, origin_of = zone_issues(scenario, file, series, earlier)
                origins[f"forecast {zone}"] = origin_dict(origin_of)
        zones.append(
            ZoneIntensity(
                zone=zone,
                intensity_g_per_kwh=tuple(float(value) for value in series.intensity_g_per_kwh),
                forecast_g_per_kwh=forecast,
                issues=issues,
                origin={key: None if value is None else str(value) for key, value in origin.items()},
            )
        )
        origins[f"intensity {zone}"] = origin
    return tuple(zones), origins


def _recorded_zones(
    scenario: Scenario, source: RecordedIntensity
) -> tuple[tuple[ZoneIntensity, ...], dict[str, dict[str, Any]]]:
    """Zones of a recorded live run, and their origins: forecasts as they were known then where the scenario's are live,
    else the recorded values as a trace. Raises UsageError."""
    slots, step = len(scenario.stages.slots()), timedelta(seconds=scenario.time.trace_step_s)
    as_then = scenario.forecast.kind == "live" and not needs_truth(scenario)
    zones, origins = [], {}
    for zone, place in zone_places(scenario).items():
        with scenario.at("intensity"):
            source.require_slots(scenario.time.start, step, slots)
        with scenario.at(*place):
            series = source.series(zone, scenario.time.start, step, slots)

        def earlier(start: datetime, zone: str = zone) -> NDArray[np.float64]:
            return source.series(zone, start, step, slots).intensity_g_per_kwh

        issues: tuple[ForecastIssue, ...] = ()
        forecast: tuple[float, ...] = ()
        if as_then:
            issues = tuple(ForecastIssue.model_validate(row["issue"]) for row in source.rows(zone)[:slots])
        else:
            with scenario.at("forecast"):
                truth = series.intensity_g_per_kwh
                forecast = _forecast(scenario, scenario.forecast.kind, truth, earlier, zone)
        origins[f"intensity {zone}"] = origin = origin_dict(series.origin)
        zones.append(
            ZoneIntensity(
                zone=zone,
                intensity_g_per_kwh=tuple(float(value) for value in series.intensity_g_per_kwh),
                forecast_g_per_kwh=forecast,
                issues=issues,
                readings=readings_of(source, zone, slots),
                origin={key: None if value is None else str(value) for key, value in origin.items()},
            )
        )
    return tuple(zones), origins


def zone_places(scenario: Scenario) -> dict[str, tuple[str | int, ...]]:
    """Every zone of the run, and where it is named first."""
    places: dict[str, tuple[str | int, ...]] = {}
    for k, spec in enumerate(scenario.nodes):
        places.setdefault(spec.zone, ("nodes", k, "zone"))
    places.setdefault(coordinator_zone(scenario), ("coordinator", "zone"))
    return places


def coordinator_zone(scenario: Scenario) -> str:
    """Where the coordinator stands: the first node's zone, unless the scenario says otherwise."""
    return scenario.coordinator.zone or scenario.nodes[0].zone


def harvest_traces(
    scenario: Scenario, entries: tuple[int, ...], intervals: int, watch: Watch | None = None
) -> tuple[tuple[HarvestConfig, ...], dict[str, dict[str, Any]]]:
    """Harvest of every node, whose place in the scenario is ``entries``, and its origin by name. Raises UsageError."""
    step = timedelta(seconds=scenario.time.trace_step_s)
    harvests: list[HarvestConfig] = []
    origins: dict[str, dict[str, Any]] = {}
    for i, entry in enumerate(entries):
        if watch is not None:
            watch("harvest of nodes", i, len(entries))
        spec = scenario.nodes[entry]
        wanted = spec.harvest or scenario.harvest
        if wanted.kind == "none" or wanted.peak_w == 0:
            harvests.append(no_harvest(intervals))
            continue
        # Every node has its own sky: the seed of the run and the node's place in it.
        seed = scenario.seed * 1_000_003 + i
        with scenario.at(*(("harvest",) if spec.harvest is None else ("nodes", entry, "harvest"))):
            source = _harvest_source(wanted, spec)
            series = source.series(scenario.time.start, step, intervals, seed=seed)

        def earlier(start: datetime, source: Any = source, seed: int = seed) -> NDArray[np.float64]:
            return np.asarray(source.series(start, step, intervals, seed=seed).power_w)

        kind = scenario.forecast.of_harvest
        by_sky = kind == "clear-sky" and not needs_truth(scenario)
        with scenario.at("forecast", "kind"):
            clear = _clear_sky(source, scenario, intervals, seed) if by_sky else ()
        harvests.append(
            HarvestConfig(
                power_w=tuple(float(value) for value in series.power_w),
                forecast_w=()
                if by_sky
                else _forecast(scenario, kind, series.power_w, earlier, f"harvest {i}"),
                clear_sky_w=clear,
                source=series.origin.source,
            )
        )
        origins[f"harvest {node_name(i, len(entries))}"] = origin_dict(series.origin)
    return tuple(harvests), origins


def _clear_sky(source: Any, scenario: Scenario, intervals: int, seed: int) -> tuple[float, ...]:
    """Power of every interval without clouds. Raises UsageError for a source that has no clear sky."""
    if not callable(getattr(source, "clear_sky", None)):
        raise UsageError(
            "clear-sky forecasts are for panels (harvest kind pv), or a source of your own with clear_sky(); use "
            "persistence or gaussian for traces and constant harvests"
        )
    step = timedelta(seconds=scenario.time.trace_step_s)
    series = source.clear_sky().series(scenario.time.start, step, intervals, seed=seed)
    return tuple(float(value) for value in series.power_w)


def _forecast(
    scenario: Scenario,
    kind: str,
    truth: NDArray[np.float64],
    earlier: Callable[[datetime], NDArray[np.float64]],
    what: str,
) -> tuple[float, ...]:
    """Expected value of every interval; empty for perfect forecasts, and for the oracle, which has no others."""
    if kind == "perfect" or needs_truth(scenario):
        return ()
    if kind in ("persistence", "clear-sky"):
        return tuple(float(value) for value in earlier(scenario.time.start - timedelta(days=1)))
    # Seeded by run and by what is forecast, so that every policy of a comparison errs alike.
    rng = np.random.default_rng([scenario.seed, *what.encode()])
    error = rng.standard_normal(truth.size) * scenario.forecast.error_fraction * truth.mean()
    return tuple(float(value) for value in np.maximum(truth + error, 0.0))


def persistence_slots(scenario: Scenario) -> int:
    """Slots in a day where intensities are expected as those of the day before, else 0. Raises UsageError for a longer
    look-ahead, also where harvest alone is expected so."""
    spec = scenario.forecast
    day = int(SECONDS_PER_DAY // scenario.time.trace_step_s)
    kinds = {"kind": spec.kind, "harvest": spec.of_harvest}
    short = {name: kind for name, kind in kinds.items() if kind in ("persistence", "clear-sky")}
    if not short or needs_truth(scenario):
        return 0
    if known_slots(scenario) > day:
        name, kind = next(iter(short.items()))
        raise UsageError(
            f"forecast.{name} = {kind} knows {day} slots ahead, coordinator.horizon_slots and "
            f"value_slots ask for {known_slots(scenario)}; look less far ahead, or use perfect or gaussian forecasts"
        )
    return day if "kind" in short else 0


def _harvest_source(spec: HarvestSpec, node: NodeSpec) -> Any:
    said: dict[str, Any] = {}
    if spec.kind == "pv":
        said = {"peak_w": spec.peak_w, "zone": node.zone}
        said |= {
            key: value for key in ("tilt_deg", "azimuth_deg") if (value := getattr(spec, key)) is not None
        }
        if node.latitude_deg is not None and node.longitude_deg is not None:
            said |= {"latitude_deg": node.latitude_deg, "longitude_deg": node.longitude_deg}
            del said["zone"]
    elif spec.kind == "constant":
        said["power_w"] = spec.peak_w
    else:
        said["peak_w"] = spec.peak_w
        for key in ("path", "region"):
            if (value := getattr(spec, key)) is not None:
                said[key] = value
    refuse_doubled(spec.options, said)
    return harvest_source(spec.kind, **spec.options, **said)


def no_harvest(intervals: int) -> HarvestConfig:
    """A node without a panel."""
    return HarvestConfig(power_w=(0.0,) * intervals, source="none")
