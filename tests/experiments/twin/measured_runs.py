"""Runs in this process whose meters measure something, and what they measure is known: the model, or the model's joules
less a tenth."""

from __future__ import annotations

from pathlib import Path

from experiments.cli import invoke
from tests.scenarios import SMALL

METERS = '''"""Meters that read what the model says."""

from edge_node.meters.base import MeterError, spread
from edge_node.meters.modelled import ModelledMeter
from carbon_data.types import Provenance
from dataclasses import replace
from protos.messages.slot import Metered
from protos.messages.terms import MeterKind


class Exact(ModelledMeter):
    """The model's joules, with an interval of 1 %; no reading of slot 2."""

    name = "exact"
    provenance = Provenance.MEASURED
    factor = 1.0
    missing = 2

    def __init__(self, context):
        super().__init__(context)
        self.metered = None

    def close(self, slot):
        self.metered = None
        if slot.slot == self.missing:
            raise MeterError("the plug was pulled")
        lines = tuple(
            replace(line, energy_uj=round(line.energy_uj * self.factor), provenance=str(self.provenance))
            for line in super().close(slot)
        )
        energy_uj = sum(line.energy_uj for line in lines)
        window_s = max(self._slot_s, sum(self._window.busy_s.values()))  # as long as its work takes
        self.metered = Metered(
            MeterKind.POWER, energy_uj, energy_uj // 100, energy_uj // 200, 1000.0, 0.99, 1, window_s
        )
        return lines


class TenthTooLow(Exact):
    """So that the twin is a tenth too high."""

    name = "tenth-too-low"
    factor = 1 / 1.1
    missing = None


class Longer(Exact):
    """As if its slots lasted twice as long as the scenario says."""

    name = "longer"
    missing = None

    def __init__(self, context):
        super().__init__(replace(context, slot_s=2 * context.slot_s))
'''
SERVICE = '[[inference.services]]\ntask = "tiny-gpt"\nname = "chat"\nrequests_per_s = 20\n'
SLOTS = 8


def mixed_run(folder: Path) -> Path:
    """Under a policy whose nodes trade: n0 reads the model exactly, n1 a tenth less, n2 CPU time, n3 is modelled, n4 is
    in slots of twice the length."""
    (folder / "known_meters.py").write_text(METERS)
    text = SMALL.replace("[fleet]", f"{SERVICE}[fleet]") + '[[nodes]]\nzone = "DE"\n[[nodes]]\nzone = "FR"\n'
    meters = {
        "US-NW-SCL": "known_meters:Exact",
        "US-SE-SOCO": "known_meters:TenthTooLow",
        "US-NW-WACM": "process-cpu-time",
        "FR": "known_meters:Longer",
    }
    for zone, meter in meters.items():
        text = text.replace(f'zone = "{zone}"', f'zone = "{zone}"\nmeter = "{meter}"')
    text = text.replace('name = "small"', 'name = "small"\npolicy = "auction"')
    text += "[tolerance]\nunserved_fraction = 1\n"
    return run(folder, text, "run")


def run(folder: Path, text: str, name: str) -> Path:
    """A run of a scenario's text in ``folder``."""
    (folder / f"{name}.toml").write_text(text)
    out = folder / name
    assert invoke(["run", str(folder / f"{name}.toml"), "--output", str(out), "--no-report", "--json"]) == 0
    return out
