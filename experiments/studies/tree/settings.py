"""The map of settings: what is swept, against which background, and how long it is watched."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from experiments.studies.tree.measure import Counting
from experiments.studies.tree.model import Discipline, Machine, Service, SleepMode
from experiments.studies.tree.serving import ALONE, VARIANTS, Serving

ALPHAS_BITS_PER_TOKEN = (10.0, 7e4, 1e6, 1e7)
"""10 as the paper writes it (no unit given), the ratio of the prices it quotes, and two scaled ones."""

VR_GRID = (0.05, 0.125, 0.25, 0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 4.0, 8.0)
AI_GRID = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 0.75, 1.0, 1.5, 2.0, 4.0, 8.0, 16.0, 32.0)
"""Swept rate over the rate at which it, with the background, saturates its bottleneck."""


class Background(StrEnum):
    """Load of the two services that are not swept."""

    AI_ONLY = "ai-only"
    LIGHT = "light"
    MEDIUM = "medium"
    HEAVY = "heavy"


LOADS: dict[Background, tuple[float, float, float]] = {
    Background.AI_ONLY: (0.0, 0.10, 0.10),
    Background.LIGHT: (0.02, 0.10, 0.10),
    Background.MEDIUM: (0.30, 0.25, 0.25),
    Background.HEAVY: (0.60, 0.40, 0.40),
}
"""VR as share of the downlink, VU and VG as shares of the edge server's time."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One sweep to simulate; alpha and the counting of tokens come afterwards."""

    sweep: Service
    background: Background
    discipline: Discipline = Discipline.VR_FIRST
    sleep: SleepMode = SleepMode.JOINT
    serving: Serving = ALONE

    @property
    def label(self) -> str:
        return (
            f"{self.sweep.name} / {self.background} / {self.discipline} / {self.sleep} / {self.serving.label}"
        )

    def as_dict(self) -> dict[str, str]:
        return {
            "sweep": self.sweep.name,
            "background": str(self.background),
            "discipline": str(self.discipline),
            "sleep": str(self.sleep),
            "cost": str(self.serving.cost),
            "batch": str(self.serving.batch),
            "users": str(self.serving.users),
        }


@dataclass(frozen=True, slots=True)
class Reading:
    """How a simulated world is read: one column of the map."""

    background: Background
    discipline: Discipline
    alpha_bits_per_token: float
    counting: Counting

    @property
    def label(self) -> str:
        return f"{self.background}, {self.discipline}, alpha {self.alpha_bits_per_token:g}, {self.counting} tokens"


REFERENCE = Reading(Background.MEDIUM, Discipline.VR_FIRST, 7e4, Counting.OUTPUT)
"""Fixed before any result was seen: the paper's own price ratio, tokens it calls generated, middle of the map."""


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is simulated."""

    seeds: int
    window_s: float
    warmup_s: float

    @property
    def horizon_s(self) -> float:
        return self.window_s + self.warmup_s


QUICK = Extent(seeds=10, window_s=60.0, warmup_s=10.0)
FULL = Extent(seeds=20, window_s=400.0, warmup_s=20.0)


def grid(sweep: Service) -> tuple[float, ...]:
    """Relative rates of a sweep."""
    return VR_GRID if sweep is Service.VR else AI_GRID


def saturating_rate_per_s(setting: Setting, machine: Machine) -> float:
    """Rate of the swept service at which its bottleneck's load, background included, reaches one."""
    _, vu, vg = LOADS[setting.background]
    if setting.sweep is Service.VR:
        results = sum(
            load * machine.capacity_per_s(service) * machine.air_s(service)
            for service, load in ((Service.VU, vu), (Service.VG, vg))
        )
        return (1.0 - results) * machine.capacity_per_s(Service.VR)
    other = vg if setting.sweep is Service.VU else vu
    return (1.0 - other) * machine.capacity_per_s(setting.sweep)


def rates_per_s(setting: Setting, machine: Machine, relative: float) -> list[float]:
    """Rates of VR, VU and VG at one point of a sweep."""
    rates = [
        load * machine.capacity_per_s(s) for s, load in zip(Service, LOADS[setting.background], strict=True)
    ]
    rates[setting.sweep] = relative * saturating_rate_per_s(setting, machine)
    return rates


def study_settings() -> list[Setting]:
    """All sweeps of the study: the map under both disciplines, the ablations of sleep, other ways to serve."""
    mapped = [Setting(s, b, d) for d in Discipline for b in Background for s in Service]
    ablations = [
        Setting(sweep, REFERENCE.background, REFERENCE.discipline, mode)
        for mode in SleepMode
        if mode is not SleepMode.JOINT
        for sweep in Service
    ]
    return mapped + ablations + [setting for each in VARIANTS for setting in variant_settings(each)]


def variant_settings(serving: Serving) -> list[Setting]:
    """The three sweeps of the reference setting, served so."""
    return [Setting(s, REFERENCE.background, REFERENCE.discipline, serving=serving) for s in Service]


def readings() -> list[Reading]:
    """All columns of the map of verdicts."""
    return [
        Reading(background, discipline, alpha, counting)
        for discipline in Discipline
        for background in Background
        for counting in Counting
        for alpha in ALPHAS_BITS_PER_TOKEN
    ]
