"""What Prometheus reads is what the ledger holds, to the microjoule and picogram."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from coordinator.ledger import Unit, read_entries
from coordinator.ledger.store import totals
from experiments.live.metrics import exposition
from experiments.live.watched import Watched
from experiments.run_folder.files import LEDGER

DASHBOARD = Path(__file__).parents[3] / "docs" / "grafana.json"
TEXT = DASHBOARD.with_name("watch.md")


def samples(folder: Path) -> dict[tuple[str, tuple[str, ...]], float]:
    watched = Watched(folder)
    watched.look()
    return {
        (sample.name, tuple(sorted(sample.labels.values()))): sample.value
        for family in text_string_to_metric_families(exposition(watched.picture).decode())
        for sample in family.samples
    }


def test_joules_and_grams_are_the_ledgers_exactly(finished: Path) -> None:
    found = samples(finished)
    balances = totals(stored.entry for stored in read_entries(finished / LEDGER))
    seen = 0
    for (account, unit), amount in balances.items():
        parts = account.split("/")
        holder, rest = (parts[1], parts[2:]) if parts[0] == "node" else (parts[0], parts[1:])
        labels = tuple(sorted((holder, *rest[1:])))
        if rest[:1] == ["stage"] and unit is Unit.MICROJOULES:
            assert round(found["detabed_energy_joules_total", labels] * 1e6) == amount
        elif rest[:1] == ["stage"]:
            assert round(found["detabed_emissions_grams_total", labels] * 1e12) == -amount
        elif rest == ["grid"]:
            assert round(found["detabed_grid_joules_total", labels] * 1e6) == -amount
        else:
            continue
        seen += 1
    assert seen > 40


def test_slots_nodes_and_accuracy_are_told(finished: Path) -> None:
    found = samples(finished)
    by_name: dict[str, list[float]] = defaultdict(list)
    for (name, _), value in found.items():
        by_name[name].append(value)
    assert by_name["detabed_slots_closed_total"] == [8.0]
    assert by_name["detabed_slot"] == [7.0]
    assert by_name["detabed_gaps_total"] == [0.0, 0.0, 0.0]
    assert len(by_name["detabed_intensity_grams_per_kwh"]) == 3
    assert 0 < by_name["detabed_accuracy_ratio"][0] <= 1


def test_every_metric_of_dashboard_and_page_is_exposed(finished: Path) -> None:
    watched = Watched(finished)
    watched.look()
    exposed = set(re.findall(r"^(detabed_\w+)", exposition(watched.picture).decode(), re.MULTILINE))
    panels = json.loads(DASHBOARD.read_text())["panels"]
    asked = {
        name
        for panel in panels
        for one in panel["targets"]
        for name in re.findall(r"detabed_\w+", one["expr"])
    }
    told = set(re.findall(r"`(detabed_\w+)`", TEXT.read_text())) | set(
        re.findall(r"`(detabed_\w+)`", TEXT.read_text().replace(", ", "` `"))
    )
    assert asked <= exposed
    assert exposed == told
