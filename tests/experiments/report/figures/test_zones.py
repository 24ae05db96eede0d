"""The map of zones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from experiments.report.figures.look import look
from experiments.report.figures.zones import by_zone, moved, outlines, zone_map
from experiments.report.read import Run, Study, load


@pytest.fixture(scope="module")
def study(small_comparison: Path) -> Study:
    return load(small_comparison)


def with_nodes(study: Study, zones: list[str]) -> Study:
    policy, seed = study.focus, study.seeds[0]
    run = study.runs[policy][seed]
    nodes = run.tables["nodes"].assign(zone=zones)
    changed = replace(run, tables={**run.tables, "nodes": nodes})
    return replace(study, runs={**study.runs, policy: {seed: changed}})


def test_zones_have_their_places_and_grams(study: Study) -> None:
    run = study.first(study.focus)
    zones = by_zone(run)
    assert zones["nodes"].sum() == len(run.tables["nodes"])
    assert zones["operational_g"].sum() == pytest.approx(run.tables["nodes"]["operational_g"].sum())
    assert zones["latitude_deg"].between(24, 50).all(), "all three are in the United States"


def test_work_between_zones_is_that_of_the_flows(study: Study) -> None:
    run: Run = study.first("deta")
    zone = run.tables["nodes"].set_index("node_id")["zone"]
    flows = run.tables["batch_flows"]
    abroad = flows[flows["owner"].map(zone) != flows["executor"].map(zone)]
    assert moved(run)["batches"].sum() == abroad["batches"].sum()


def test_the_map_names_every_zone_and_those_without_a_place(study: Study) -> None:
    with look():
        drawing = zone_map(study)
        assert drawing is not None
        text = drawing.svg()
        for zone in drawing.data["zone"]:
            assert f">{zone}<" in text
        elsewhere = zone_map(with_nodes(study, ["US-NW-SCL", "US-SE-SOCO", "MY-OWN-GRID"]))
    assert elsewhere is not None
    assert "Without a known place: MY-OWN-GRID." in elsewhere.caption


def test_one_place_is_no_map(study: Study) -> None:
    with look():
        assert zone_map(with_nodes(study, ["US-NW-SCL"] * 3)) is None
        assert zone_map(with_nodes(study, ["A", "B", "C"])) is None


def test_coastlines_are_on_the_globe() -> None:
    points = np.concatenate(outlines())
    assert len(outlines()) > 100
    assert np.abs(points[:, 0]).max() <= 180
    assert np.abs(points[:, 1]).max() <= 90


def test_no_coastline_crosses_the_map() -> None:
    assert max(np.abs(np.diff(line[:, 0])).max(initial=0.0) for line in outlines()) < 180
