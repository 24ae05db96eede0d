"""What is wrong with a board: each fault alone gives its finding, with what to do, and a sound board gives none."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from experiments.cluster.authority import Use, new_key
from experiments.cluster.cluster import Cluster, folder_of
from experiments.cluster.health import Here, common_governor, examined, offset_s
from experiments.cluster.inventory import Board

OURS = {"python": "3.12", "detabed": "0.1.0", "flwr": "1.42.0"}
BOARD = Board(name="n0", address="10.77.0.11")


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster.make(tmp_path / "boards.toml")


def issued(cluster: Cluster, tmp_path: Path, days: int = 365) -> str:
    key = new_key().public_key()
    certificate = cluster.authority.issue(key, ("n0",), Use.NODE, datetime.now(UTC), timedelta(days=days))
    pem = certificate.public_bytes(Encoding.PEM)
    (folder_of(tmp_path / "boards.toml") / "issued" / "n0.pem").write_bytes(pem)
    return pem.decode()


def sound(certificate: str) -> dict[str, Any]:
    now = time.time()
    return {
        "versions": OURS,
        "code": "abc",
        "other_files": [],
        "fault": "",
        "board_file": "board.json",
        "certificate": certificate,
        "clock_s": now,
        "took_s": 0.1,
        "asked_s": now - 0.2,
        "answered_s": now + 0.3,
        "governors": ["performance"],
        "throttled": 0,
        "free_bytes": 10**10,
        "meter": None,
        "meter_fault": "",
    }


def wrong(cluster: Cluster, told: Mapping[str, Any], board: Board = BOARD) -> dict[str, tuple[str, str]]:
    found = examined(board, told, Here(cluster, OURS, "abc"), "performance")
    return {each.what: (each.found, each.remedy) for each in found}


def test_a_sound_board_has_no_finding(cluster: Cluster, tmp_path: Path) -> None:
    told = sound(issued(cluster, tmp_path))
    assert wrong(cluster, told) == {}
    assert wrong(cluster, {**told, "governors": [], "throttled": None}) == {}, "it does not say"


@pytest.mark.parametrize(
    ("change", "what", "found", "remedy"),
    [
        ({"versions": {**OURS, "flwr": "1.41.0"}}, "versions", "has flwr 1.41.0 (here 1.42.0)", "make board"),
        ({"versions": {"python": "3.12"}}, "versions", "lacks detabed, flwr", "make board"),
        ({"code": "abd"}, "code", "other code", "detabed cluster push n0"),
        ({"code": None}, "code", "other code", "detabed cluster push n0"),
        (
            {"other_files": ["own/a.py"]},
            "files",
            "missing or changed there: own/a.py",
            "detabed cluster push n0",
        ),
        ({"fault": "meter: no"}, "settings", "meter: no", "mend board.json"),
        ({"certificate": None}, "certificate", "none", "detabed cluster invite n0"),
        ({"certificate": "PEM"}, "certificate", "cannot be read", "detabed cluster invite n0"),
        (
            {"governors": ["performance", "powersave"]},
            "governor",
            "powersave (most boards: performance)",
            "cpupower",
        ),
        ({"throttled": 0x50005}, "throttling", "now: too low voltage, throttling", "supply"),
        ({"throttled": 0x20000}, "throttling", "since it was switched on: a capped frequency", "cooling"),
        ({"free_bytes": 10**8}, "disk", "100 MB free", "500 MB"),
        (
            {"meter": "rapl", "meter_fault": "no such file"},
            "meter",
            "no such file",
            "detabed meter test rapl",
        ),
    ],
)
def test_each_fault_has_its_finding(
    cluster: Cluster, tmp_path: Path, change: dict[str, Any], what: str, found: str, remedy: str
) -> None:
    told = wrong(cluster, {**sound(issued(cluster, tmp_path)), **change})
    assert set(told) == {what}
    assert found in told[what][0]
    assert remedy in told[what][1]


def test_a_certificate_that_ends_soon_or_was_replaced(cluster: Cluster, tmp_path: Path) -> None:
    first = issued(cluster, tmp_path, days=13)
    assert "ends at" in wrong(cluster, sound(first))["certificate"][0]
    issued(cluster, tmp_path)
    assert "not the one that was issued last" in wrong(cluster, sound(first))["certificate"][0]
    cluster.revoke("n0")
    assert "revoked" in wrong(cluster, sound(first))["certificate"][0]


@pytest.mark.parametrize(
    ("ahead_s", "said"),
    [
        (0.0, None),
        (1.15, None),
        (-1.15, None),
        (3600.0, "3599.8 s or more ahead of"),
        (-60.0, "59.8 s or more behind"),
    ],
)
def test_a_clock_is_judged_by_what_the_way_leaves_open(
    cluster: Cluster, tmp_path: Path, ahead_s: float, said: str | None
) -> None:
    told = sound(issued(cluster, tmp_path))
    told["clock_s"] += ahead_s
    low, high = offset_s(told)
    assert low == pytest.approx(ahead_s - 0.2)
    assert high == pytest.approx(ahead_s + 0.2)
    found = wrong(cluster, told)
    assert set(found) == ({"clock"} if said else set())
    assert not said or said in found["clock"][0]


def test_the_meter_is_that_of_the_inventory(cluster: Cluster, tmp_path: Path) -> None:
    told, board = sound(issued(cluster, tmp_path)), BOARD.model_copy(update={"meter": "rapl"})
    assert wrong(cluster, {**told, "meter": "rapl"}, board) == {}
    assert (
        "pmic in board.json, rapl in the inventory"
        in wrong(cluster, {**told, "meter": "pmic"}, board)["meter"][0]
    )


def test_files_that_changed_here_are_named(cluster: Cluster, tmp_path: Path) -> None:
    here = Here(cluster, OURS, "abc")
    (found,) = examined(BOARD, sound(issued(cluster, tmp_path)), here, "performance", ["own/a.py"])
    assert found.found == "changed here since they were pushed: own/a.py"


def test_the_common_governor_is_that_of_most_boards() -> None:
    boards = {"n0": {"governors": ["ondemand"]}, "n1": {"governors": []}, "n2": {"governors": ["ondemand"]}}
    assert common_governor({**boards, "n3": {"governors": ["performance"]}}) == "ondemand"
    assert common_governor({"n1": boards["n1"]}) is None
