"""Intensity of the grid, its accounting, and forecasts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    Field,
    model_validator,
)

from carbon_data.sources.registry import intensity_source
from coordinator.market.forecast import PERSISTENCE_SPREAD

if TYPE_CHECKING:
    from carbon_data.sources.base import IntensitySource
from experiments.errors import UsageError
from experiments.run_folder.files import RECORDED_SCENARIO
from experiments.scenario.keys import YEAR_S, File, Option, Strict, refuse_doubled
from experiments.scenario.live import LIVE, LiveSpec


class IntensitySpec(Strict):
    source: str = "profiles"
    """A name of ``detabed list sources``, or ``package.module:Name``."""
    path: File | None = None
    """Trace file, for source = "trace"."""
    files: dict[str, File] = Field(default={})
    """Trace file of each zone, for source = "trace": { DE = "de.csv", FR = "fr.csv" }."""
    options: dict[str, Option] = Field(default={})
    """Arguments of the source."""
    live: LiveSpec | None = None
    """Services and limits, for source = "live"."""

    @model_validator(mode="after")
    def _live_or_not(self) -> IntensitySpec:
        if (self.source == LIVE) != (self.live is not None):
            raise ValueError(
                'source = "live" and the table live belong together, e.g. source = "live", live = { service = '
                f'"uk-carbon-intensity" }}; source is "{self.source}"'
            )
        if "token" in self.options:
            raise ValueError(
                "options.token: a key does not belong into a scenario, which every run folder keeps; remove it, and "
                "set ELECTRICITYMAPS_TOKEN in the environment"
            )
        if self.source == LIVE and (self.path is not None or self.files or self.options):
            raise ValueError('path, files and options have no effect with source = "live"; remove them')
        return self

    @property
    def is_live(self) -> bool:
        """Whether it is polled while the run lasts."""
        return self.source == LIVE

    def open(self) -> IntensitySource:
        """The source. Raises ValueError or DataError if it cannot be opened."""
        if self.is_live:
            raise UsageError(
                "live intensity is not known before the slots begin; record a run with `detabed run`, and use the "
                f"{RECORDED_SCENARIO} in its folder"
            )
        said: dict[str, Any] = {} if self.path is None else {"path": self.path}
        if self.files:
            said["files"] = dict(self.files)
        refuse_doubled(self.options, said)
        return intensity_source(self.source, **self.options, **said)


class AccountingSpec(Strict):
    """Columns in addition to the headline (scope 2, location-based, average); each needs its data."""

    market_g_per_kwh: dict[str, Annotated[float, Field(ge=0)]] = Field(default={})
    """Market-based factor by zone: of the contract, or of the residual mix. None: the column is omitted."""
    market_source: str = ""
    """Source of the market-based factors; required with them."""
    marginal: IntensitySpec | None = None
    """Source of marginal intensity, shown beside the average and never mixed with it."""
    factors: File | None = None
    """A TOML file of one's own factors in place of the packaged ones (docs/own-board.md)."""
    lifetime_inferences: float = Field(default=1e6, gt=0)
    """N_life of (L4): inferences over which one-time emissions are spread (choice)."""

    @model_validator(mode="after")
    def _sourced(self) -> AccountingSpec:
        if self.market_g_per_kwh and not self.market_source.strip():
            raise ValueError("market_g_per_kwh has no market_source; name the source of the factors")
        return self


_DIALECT = ("value_unit", "separator", "decimal", "encoding", "timezone")


class ForecastSpec(Strict):
    """Forecasts that nodes and coordinator use for future slots (information regimes, methods.md section 1)."""

    kind: Literal["perfect", "persistence", "clear-sky", "gaussian", "file", "live"] = "perfect"
    """``perfect``: the traces themselves; ``persistence``: as a day before; ``clear-sky``: harvest as under a clear sky
    times the last clearness index (panels only), intensity as a day before; ``gaussian``: the traces with an error;
    ``file``: intensity from issued forecasts in a file, for each decision the newest that is not later; ``live``: those
    of the live services, with their times of issue, else persistence; of a recorded live run as they were then."""
    harvest: Literal["perfect", "persistence", "clear-sky", "gaussian"] | None = None
    """Forecast of harvest, where it differs from ``kind``; none: as ``kind``, and persistence for ``file`` and
    ``live``."""
    harvest_spread_fraction: float | None = Field(default=None, ge=0, le=2)
    """Standard deviation of a day's harvest around its forecast, as a share of it: nodes that plan alone value stored
    energy in expectation over it; none: 0.3 for persistence and clear-sky, else 0."""
    error_fraction: float = Field(default=0.1, ge=0, le=100)
    """gaussian: standard deviation of the additive error, as a share of the trace's mean."""
    path: File | None = None
    """file: a CSV(.gz) or Parquet file with a row for each zone, time of issue and lead."""
    dataset: Literal["sundial-2022"] | None = None
    """file: forecasts of the data folder by name, instead of ``path``."""
    zone_column: str | None = None
    """file: column of the zone; none: zone, region or zone_key."""
    issued_column: str | None = None
    """file: column of the time of issue, with its time zone; none: issued, issued_at or issue_time."""
    lead_column: str | None = None
    """file: column of the whole steps from the issue to the interval's beginning; none: lead_h or lead."""
    value_column: str | None = None
    """file: column of the values, g CO2e per kWh; none: value, g_per_kwh or forecast_g_per_kwh."""
    lead_unit_s: float = Field(default=3600.0, gt=0, le=YEAR_S)
    """file: length of one step of the lead."""
    delay_h: float = Field(default=0.0, ge=0, le=8784)
    """file: hours from an issue's time until decisions may use it."""
    value_unit: str | None = None
    """file: unit of the values, where it is not g/kWh: kg/MWh, kg/kWh, t/MWh or lb/MWh."""
    separator: str | None = None
    """file: separator of a CSV; none: detected."""
    decimal: Literal[".", ","] | None = None
    """file: decimal mark; none: detected."""
    encoding: str | None = None
    """file: e.g. utf-8, utf-16 or cp1252; none: UTF-8, or by the byte order mark."""
    timezone: str | None = None
    """file: time zone of stamps that do not state one, e.g. UTC or Europe/Berlin."""
    scope: Literal["direct", "life-cycle"] | None = None
    """file: scope of the intensity that ``path`` forecasts; none: as stated in its sidecar PATH.toml."""
    other_scope: bool = False
    """file: whether a forecast of another scope than that of [intensity] is used unchanged; metadata say so."""
    beyond: Literal["refuse", "persistence"] = "refuse"
    """file: beyond an issue's last lead: ``refuse`` the run, or use the same hour of the last known day
    (``persistence``)."""

    @model_validator(mode="after")
    def _one_file(self) -> ForecastSpec:
        own = {"path", "dataset", "other_scope", "beyond", "delay_h", "scope", "lead_unit_s", *_DIALECT} | {
            name for name in type(self).model_fields if name.endswith("_column")
        }
        # a key at its default does not count as given: a scenario written by a run names every key
        given = {name for name in own if getattr(self, name) != type(self).model_fields[name].default}
        if self.kind != "file":
            if strangers := sorted(given):
                raise ValueError(f'{strangers[0]} is for kind = "file", not for {self.kind!r}')
        elif (self.path is None) == (self.dataset is None):
            raise ValueError('kind = "file" needs either path or dataset, e.g. dataset = "sundial-2022"')
        elif self.dataset is not None and (
            strangers := sorted(given - {"dataset", "other_scope", "beyond", "delay_h"})
        ):
            raise ValueError(f"{strangers[0]} is for path; the format of dataset {self.dataset!r} is known")
        return self

    @property
    def of_harvest(self) -> Literal["perfect", "persistence", "clear-sky", "gaussian"]:
        """Kind of the forecasts of harvest."""
        if self.harvest is not None:
            return self.harvest
        return "persistence" if self.kind == "file" or self.kind == "live" else self.kind

    @property
    def harvest_spread(self) -> float:
        """``harvest_spread_fraction``, or that of the kind of forecast."""
        if self.harvest_spread_fraction is not None:
            return self.harvest_spread_fraction
        return PERSISTENCE_SPREAD if self.of_harvest in ("persistence", "clear-sky") else 0.0
