"""The ledger's balances for Prometheus, in its text format: joules and grams are the ledger's, exactly."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from carbon_data.units import from_micro, from_pico
from coordinator.ledger import Unit
from experiments.live.picture import Picture

USED = ("holder", "stage", "component")


def exposition(picture: Picture) -> bytes:
    """All metrics of a run as text. A counter of joules is the account's microjoules divided by a million: rounded to
    six places it is the ledger's integer again."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_OfLedger(picture))
    return generate_latest(registry)


class _OfLedger(Collector):
    def __init__(self, picture: Picture) -> None:
        self._picture = picture

    def collect(self) -> Iterator[Metric]:
        yield from self._accounts()
        yield from self._slots()
        yield from self._nodes()

    def _accounts(self) -> Iterator[Metric]:
        used = CounterMetricFamily("detabed_energy_joules", "Energy used, by whom and for what.", labels=USED)
        grams = CounterMetricFamily("detabed_emissions_grams", "Operational emissions, CO2e.", labels=USED)
        grid = CounterMetricFamily("detabed_grid_joules", "Energy taken from the grid.", labels=("holder",))
        harvest = CounterMetricFamily("detabed_harvest_joules", "Energy harvested.", labels=("holder",))
        battery = GaugeMetricFamily("detabed_battery_joules", "Energy stored now.", labels=("holder",))
        sources = {"grid": grid, "harvest": harvest}
        for (account, unit), amount in sorted(self._picture.balances.items()):
            holder, rest = _split(account)
            if rest[:1] == ["stage"]:
                if unit is Unit.MICROJOULES:
                    used.add_metric((holder, rest[1], rest[2]), from_micro(amount))
                else:
                    grams.add_metric((holder, rest[1], rest[2]), from_pico(-amount))
            elif len(rest) == 1 and rest[0] in sources:
                sources[rest[0]].add_metric((holder,), from_micro(-amount))
            elif rest == ["battery"]:
                battery.add_metric((holder,), from_micro(amount))
        yield from (used, grams, grid, harvest, battery)

    def _slots(self) -> Iterator[Metric]:
        picture = self._picture
        yield CounterMetricFamily("detabed_slots_closed", "Slots that are closed.", value=picture.ended)
        yield CounterMetricFamily("detabed_faults", "Gaps, restarts, alarms.", value=picture.fault_count)
        if picture.slot is not None:
            yield GaugeMetricFamily("detabed_slot", "The slot that was decided last.", value=picture.slot)
        if picture.evaluations:
            latest = picture.evaluations[max(picture.evaluations)]
            yield GaugeMetricFamily(
                "detabed_accuracy_ratio",
                "Accuracy of the model on held-out data.",
                value=latest["accuracy_fraction"],
            )

    def _nodes(self) -> Iterator[Metric]:
        intensity = GaugeMetricFamily(
            "detabed_intensity_grams_per_kwh", "Grid intensity in the slot.", labels=("zone",)
        )
        for zone in sorted({node.zone for node in self._picture.nodes.values()}):
            value = self._picture.intensity_of(zone, self._picture.slot)
            if value is not None:
                intensity.add_metric((zone,), value)
        gaps = CounterMetricFamily("detabed_gaps", "Slots without a reading.", labels=("holder",))
        for node in self._picture.nodes.values():
            gaps.add_metric((node.node_id,), node.gaps)
        yield from (intensity, gaps)


def _split(account: str) -> tuple[str, list[str]]:
    """Holder of an account, and the rest of its name."""
    first, *rest = account.split("/")
    return (rest[0], rest[1:]) if first == "node" and rest else (first, rest)
