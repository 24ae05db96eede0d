"""`[forecast] kind = "file"`: forecasts of a run's decisions, and refusals before it starts."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from coordinator.policies.registry import make_policy
from coordinator.slots.expecting import expected_g_per_kwh
from experiments.cli import invoke
from experiments.errors import UsageError
from experiments.resolve.foresight import whole_run
from experiments.resolve.resolve import resolve
from experiments.resolve.resolved import Resolved
from experiments.runs.export import fleet_before
from experiments.scenario.model import load_scenario

START = datetime(2022, 6, 21, tzinfo=UTC)
SLOTS = 30
SCENARIO = """name = "issued"
[stages]
preparation = 0
development = 30
application = 0
recycling = 0
[time]
start = 2022-06-21T00:00:00Z
[task]
data = "digits"
batches_per_slot = 2
[intensity]
source = "trace"
path = "truth.csv"
options = { signal = "average", scope = "direct" }
[forecast]
kind = "file"
path = "issued.csv"
scope = "direct"
[coordinator]
horizon_slots = 4
value_slots = 7
[fleet]
kind = "inprocess"
[[nodes]]
zone = "FR"
[[nodes]]
zone = "DE"
"""


def truth(zone: str, hour: int) -> float:
    """Hours count from the run's start."""
    return {"FR": 50.0, "DE": 400.0}[zone] + hour


def said(zone: str, issue_hour: int, hour: int) -> float:
    """Value of an issue, distinct from the true value and from every other issue."""
    return truth(zone, hour) + 1000.0 + 0.01 * issue_hour


def write(
    folder: Path, text: str = SCENARIO, leads: int = 24, issues: tuple[int, ...] = (-6, 6, 18), **changes: str
) -> Path:
    rows = ["timestamp,zone,gCO2e_per_kWh"]
    told = ["zone,issued,lead_h,value"]
    for zone in ("FR", "DE"):
        for hour in range(-48, 96):
            rows.append(f"{(START + timedelta(hours=hour)).isoformat()},{zone},{truth(zone, hour)}")
        for at in issues:
            stamp = (START + timedelta(hours=at)).isoformat()
            told += [f"{zone},{stamp},{k},{said(zone, at, at + k)}" for k in range(leads)]
    (folder / "truth.csv").write_text("\n".join(rows) + "\n")
    (folder / "issued.csv").write_text("\n".join(told) + "\n")
    for old, new in changes.items():
        text = text.replace(old, new)
    path = folder / "issued.toml"
    path.write_text(text)
    return path


def resolved(path: Path, policy: str = "deta") -> Resolved:
    return resolve(load_scenario(path).model_copy(update={"policy": policy}))


def test_every_decision_knows_the_newest_issue_as_it_was_issued(tmp_path: Path) -> None:
    found = resolved(write(tmp_path))
    zones = {zone.zone: zone for zone in found.zones}
    for name, zone in zones.items():
        assert [issue.from_slot for issue in zone.issues] == [0, 6, 18]
        for slot in range(SLOTS):
            at = max(hour for hour in (-6, 6, 18) if hour <= slot)
            wanted = min(6, SLOTS - 1 - slot)
            assert expected_g_per_kwh(zone, slot, wanted) == pytest.approx(
                [said(name, at, slot + k) for k in range(1, wanted + 1)]
            )
    origin = found.origins["forecast DE"]
    assert (origin["signal"], origin["scope"], origin["provenance"]) == ("average", "direct", "modelled")
    assert "zone DE: 3 issues used, at most 11 h old at a decision" in origin["notes"]


@pytest.mark.parametrize("slot", [5, 6])
def test_the_policy_plans_on_it(tmp_path: Path, slot: int) -> None:
    """The slot itself is known; a decision at the very time of issue uses it."""
    found = resolved(write(tmp_path))
    fleet = fleet_before(found, make_policy("deta", horizon=4), slot)
    at = 6 if slot == 6 else -6
    assert fleet.decision_slots == 4
    for i, name in enumerate(("FR", "DE")):
        assert fleet.intensity_g_per_kwh[i].tolist() == pytest.approx(
            [truth(name, slot), *(said(name, at, slot + k) for k in range(1, 7))]
        )


def test_an_issue_within_a_slot_is_known_to_the_next_decision(tmp_path: Path) -> None:
    path = write(tmp_path)
    text = (tmp_path / "issued.csv").read_text().replace("2022-06-21T06:00", "2022-06-21T05:30")
    (tmp_path / "issued.csv").write_text(text)
    zone = resolved(path).zones[0]
    assert [issue.from_slot for issue in zone.issues] == [0, 6, 18]
    # leads of half past: an hour of the run is half of each
    assert zone.issues[1].g_per_kwh[0] == pytest.approx((said("FR", 6, 7) + said("FR", 6, 8)) / 2)


def test_issues_may_be_known_later_than_they_are_made(tmp_path: Path) -> None:
    path = write(
        tmp_path, leads=40, issues=(-18, -6, 6, 18), **{'kind = "file"': 'kind = "file"\ndelay_h = 7.5'}
    )
    zone = resolved(path).zones[0]
    assert [(issue.from_slot, issue.issued[8:13]) for issue in zone.issues] == [
        (0, "20T06"),
        (2, "20T18"),
        (14, "21T06"),
        (26, "21T18"),
    ]
    assert expected_g_per_kwh(zone, 13, 2) == pytest.approx([said("FR", -6, hour) for hour in (14, 15)])


def test_the_oracle_and_the_bound_know_the_truth(tmp_path: Path) -> None:
    path = write(tmp_path)
    assert all(zone.issues == () for zone in resolved(path, "oracle").zones)
    fleet = whole_run(resolved(path))
    assert fleet.intensity_g_per_kwh[1].tolist() == [truth("DE", hour) for hour in range(SLOTS)]


def test_the_coordinator_alone_needs_no_forecast(tmp_path: Path) -> None:
    path = write(tmp_path, **{"[coordinator]": '[coordinator]\nzone = "PL"'})
    (tmp_path / "truth.csv").write_text(
        (tmp_path / "truth.csv").read_text()
        + "\n".join(f"{(START + timedelta(hours=h)).isoformat()},PL,{700 + h}" for h in range(96))
    )
    assert [bool(zone.issues) for zone in resolved(path).zones] == [True, True, False]


def refusal(path: Path, **options: Any) -> str:
    with pytest.raises(UsageError) as caught:
        resolved(path, **options)
    return str(caught.value)


def test_leads_that_do_not_reach_are_refused_with_what_is_covered(tmp_path: Path) -> None:
    text = refusal(write(tmp_path, leads=14))
    assert "issued.toml:16: forecast: zone FR: the issue of 2022-06-20T18:00:00+00:00 covers " in text
    assert "to 2022-06-21T08:00:00+00:00 (14 leads)" in text
    assert (
        "the decision of 2022-06-21T05:00:00+00:00 that rests on it looks until 2022-06-21T12:00:00+00:00"
        in text
    )
    assert 'forecast.beyond = "persistence"' in text


def test_persistence_continues_an_issue_by_the_last_day_known(tmp_path: Path) -> None:
    """14 leads from hour -6 on: hours 0 to 7 are given; 8 to 11 are expected as the truth of a day before."""
    path = write(
        tmp_path, leads=14, **{'scope = "direct"\n[coord': 'scope = "direct"\nbeyond = "persistence"\n[coord'}
    )
    found = resolved(path)
    first = found.zones[0].issues[0]
    assert first.given_slots == 7
    assert first.g_per_kwh[:7] == pytest.approx([said("FR", -6, hour) for hour in range(1, 8)])
    assert first.g_per_kwh[7:] == pytest.approx([truth("FR", hour - 24) for hour in range(8, 12)])
    assert "zone FR: 2 issues continued by persistence" in found.origins["forecast FR"]["notes"]


def test_persistence_repeats_the_issue_where_it_has_a_day(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        leads=30,
        issues=(0,),
        **{
            'scope = "direct"\n[coord': 'scope = "direct"\nbeyond = "persistence"\n[coord',
            "development = 30": "development = 60",
        },
    )
    line = resolved(path).zones[1].issues[0].g_per_kwh
    assert len(line) == 59
    assert line[28] == pytest.approx(said("DE", 0, 29))
    assert line[29:53] == pytest.approx(line[5:29])
    assert line[53:] == pytest.approx(line[5:11])


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        (
            {'scope = "direct"\n[coord': 'scope = "life-cycle"\n[coord'},
            ["life-cycle intensity", "gives direct", "other_scope"],
        ),
        ({'"average"': '"marginal"'}, ["average intensity", "gives marginal", "never mixed"]),
        (
            {"2022-06-21T00:00:00Z": "2022-06-20T12:00:00Z"},
            ["oldest issue is known from 2022-06-20T18:00:00", "time.start"],
        ),
        ({"horizon_slots = 4": "horizon_slots = 25"}, ["forecast.harvest = persistence knows 24 slots"]),
    ],
)
def test_what_cannot_be_used_is_refused(tmp_path: Path, changes: dict[str, str], parts: list[str]) -> None:
    text = refusal(write(tmp_path, leads=40, **changes))
    for part in parts:
        assert part in text


def test_a_zone_without_forecasts_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path)
    lines = [line for line in (tmp_path / "issued.csv").read_text().splitlines() if not line.startswith("DE")]
    (tmp_path / "issued.csv").write_text("\n".join(lines))
    assert "zone 'DE' is not in" in refusal(path)


def test_another_scope_on_purpose_is_told(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        **{'scope = "direct"\n[coord': 'scope = "life-cycle"\nother_scope = true\n[coord'},
    )
    notes = resolved(path).origins["forecast FR"]["notes"]
    assert "the forecast is life-cycle, the intensity direct: taken as it is" in notes


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('kind = "persistence"\npath = "issued.csv"', 'path is for kind = "file"'),
        ('kind = "file"', "needs either path or dataset"),
        ('kind = "file"\npath = "issued.csv"\ndataset = "sundial-2022"', "needs either path or dataset"),
        ('kind = "file"\ndataset = "sundial-2022"\nscope = "direct"', "scope is for path"),
    ],
)
def test_options_of_another_kind_are_refused(tmp_path: Path, table: str, said: str) -> None:
    own = 'kind = "file"\npath = "issued.csv"\nscope = "direct"'
    with pytest.raises(UsageError, match=said):
        load_scenario(write(tmp_path, **{own: table}))


def test_what_is_expected_of_harvest_is_a_choice_of_its_own(tmp_path: Path) -> None:
    known = resolved(write(tmp_path, **{'kind = "file"': 'kind = "file"\nharvest = "perfect"'}))
    assert known.harvests[0].forecast_w == ()
    day_before = resolved(write(tmp_path))
    assert day_before.harvests[0].forecast_w[24:] == pytest.approx(day_before.harvests[0].power_w[:-24])
    sky = resolved(write(tmp_path, **{'kind = "file"': 'kind = "file"\nharvest = "clear-sky"'}))
    assert sky.harvests[0].clear_sky_w


def test_a_run_decides_on_issues_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whole and booked: metadata name the file, what it forecasts and which issues were used; `check` shows it."""
    path = write(tmp_path, **{"development = 30": "development = 2"})
    assert invoke(["check", str(path)]) == 0
    assert "file; harvest persistence" in capsys.readouterr().out
    folder = tmp_path / "run"
    assert invoke(["run", str(path), "--output", str(folder), "--no-report"]) == 0
    metadata = json.loads((folder / "metadata.json").read_text())
    origin = metadata["origins"]["forecast FR"]
    assert origin["source"] == "issued.csv"
    assert origin["scope"] == "direct"
    assert "1 issues used" in origin["notes"]
    assert invoke(["ledger", "verify", str(folder)]) == 0
