"""Warnings about scenarios in which no request comes."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.resolve.resolve import resolve
from experiments.scenario.model import parse_scenario

SCENARIO = """policy = "local"
[stages]
preparation = 0
development = {development}
application = {application}
recycling = 0
[time]
slot_s = 100
[fleet]
kind = "inprocess"
[[nodes]]
zone = "DE"
count = 2
[inference]
{inference}
"""


def warnings(inference: str, application: int = 4, folder: Path | None = None) -> list[str]:
    text = SCENARIO.format(inference=inference, application=application, development=0 if application else 2)
    found = resolve(parse_scenario(text, folder=folder)).warnings
    return [each for each in found if "application" in each]


@pytest.mark.parametrize("inference", ["batches_per_slot = 0", 'arrivals = "poisson"\nrequests_per_s = 1e-9'])
def test_slots_of_application_without_requests_are_warned_of(inference: str) -> None:
    (said,) = warnings(inference)
    assert "requests are to be expected in the 4 slots of application" in said
    assert "raise inference.batches_per_slot, requests_per_s or load_fraction" in said


@pytest.mark.parametrize(
    "inference",
    [
        "batches_per_slot = 1",
        'arrivals = "poisson"\nrequests_per_s = 1',
        'batches_per_slot = 0\n[[inference.services]]\ntask = "tiny-gpt"\ndata = "pydoc"\nrequests_per_s = 1',
    ],
)
def test_slots_with_requests_are_not(inference: str) -> None:
    assert warnings(inference) == []


def test_requests_without_slots_of_application_are_warned_of(tmp_path: Path) -> None:
    (tmp_path / "requests.csv").write_text("arrival_s\n1\n2\n")
    trace = 'arrivals = "trace"\npath = "requests.csv"'
    (said,) = warnings(trace, application=0, folder=tmp_path)
    assert said.startswith('inference.arrivals = "trace" has no effect: there are no slots of application')
    assert warnings(trace, folder=tmp_path) == []
    assert warnings("batches_per_slot = 3", application=0) == []


@pytest.mark.parametrize("application", [4, 1])
def test_arrivals_after_the_stage_are_told_as_they_are_written(tmp_path: Path, application: int) -> None:
    """Times count from the first slot of application; every node gets all of these."""
    (tmp_path / "requests.csv").write_text("arrival_s\n99.5\n100\n400\n")
    (said,) = warnings('arrivals = "trace"\npath = "requests.csv"', application=application, folder=tmp_path)
    late, end = (1, 400) if application == 4 else (2, 100)
    assert said.startswith(f"{late} of 3 arrivals of each node in {tmp_path / 'requests.csv'} are left out: ")
    assert f"whose {application} slots of 100 s end at {end} s" in said


def test_arrivals_after_the_stage_are_counted_node_by_node(tmp_path: Path) -> None:
    (tmp_path / "requests.csv").write_text("node_id,arrival_s\nn0,1\nn1,2\nn1,4000\n")
    (said,) = warnings('arrivals = "trace"\npath = "requests.csv"', folder=tmp_path)
    assert said.startswith(f"1 of 3 arrivals in {tmp_path / 'requests.csv'} are left out: ")
