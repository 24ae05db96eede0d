"""Outside clients of a run: the nodes they can reach, and the slot that is kept open for them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from experiments.errors import UsageError
from experiments.resolve.resolve import resolve
from experiments.resolve.resolved import Resolved
from experiments.run_folder.files import access_of_runner
from experiments.runs.outside import Outside, Target, find_target
from experiments.scenario.model import parse_scenario
from protos.access.config import Access


def resolved(kind: str = "ray", application: int = 2, isolation: str = "auto") -> Resolved:
    return resolve(
        parse_scenario(
            f"[stages]\npreparation = 0\ndevelopment = 1\napplication = {application}\nrecycling = 1\n"
            f'[fleet]\nkind = "{kind}"\nisolation = "{isolation}"\n'
            '[[nodes]]\nzone = "US-NW-SCL"\ncount = 2\n'
        )
    )


def run_folder(path: Path, addresses: dict[str, str] | None, age_s: int = 0) -> Path:
    path.mkdir(parents=True)
    (path / "scenario.toml").write_text('[task]\ndata = "pydoc"\n')
    if addresses is not None:
        (path / "addresses.json").write_text(json.dumps(addresses))
        os.utime(path / "addresses.json", (1e9 - age_s, 1e9 - age_s))
    return path


def test_the_last_slot_that_serves_is_kept_open_and_only_that(tmp_path: Path) -> None:
    waited: list[float] = []
    outside = Outside(resolved(), tmp_path, 7.0, sleep=waited.append)
    for slot in range(4):
        outside.before_close(slot)
    assert waited == [7.0]


def test_an_interrupt_ends_the_wait_and_not_the_run(tmp_path: Path) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    said: list[str] = []
    Outside(resolved(), tmp_path, 7.0, say=said.append, sleep=interrupted).before_close(2)
    assert said[-1] == "Infer: closed"


def test_every_address_is_printed_with_the_command(tmp_path: Path) -> None:
    said: list[str] = []
    outside = Outside(resolved(), tmp_path, say=said.append)
    outside.opened({"n1": "127.0.0.1:2", "n0": "127.0.0.1:1", "n2": "127.0.0.1:1"})
    assert said[:2] == ["Infer: 127.0.0.1:1 asks n0 and n2", "Infer: 127.0.0.1:2 asks n1"]
    assert f"detabed infer {tmp_path} --node n0" in said[2]
    Outside(resolved(), tmp_path, say=said.append).opened({f"n{k}": "127.0.0.1:3" for k in range(10)})
    assert said[3] == "Infer: 127.0.0.1:3 asks n0, n1, n2, n3, n4, n5, n6, n7 and 2 more"
    outside.opened({})
    assert len(said) == 5


@pytest.mark.parametrize(
    ("kind", "application", "isolation", "why"),
    [
        ("inprocess", 2, "auto", "listen nowhere"),
        ("ray", 0, "auto", "application stage"),
        ("ray", 2, "netns", "netns"),
    ],
)
def test_a_wait_without_reachable_nodes_is_refused(
    tmp_path: Path, kind: str, application: int, isolation: str, why: str
) -> None:
    with pytest.raises(UsageError, match=why):
        Outside(resolved(kind, application, isolation), tmp_path, 1.0)
    Outside(resolved(kind, application, isolation), tmp_path)


def test_a_target_is_an_address_a_folder_or_a_node_of_the_newest_run(tmp_path: Path) -> None:
    run_folder(tmp_path / "old", {"n0": "127.0.0.1:1", "n5": "127.0.0.1:9"}, age_s=10)
    new = run_folder(tmp_path / "new", {"n0": "127.0.0.1:3", "n1": "127.0.0.1:4"})
    assert find_target("127.0.0.1:80", "n7", tmp_path) == Target("127.0.0.1:80", "n7")
    assert find_target("[::1]:80", "", tmp_path) == Target("[::1]:80", "")
    assert find_target(str(new), "", tmp_path) == Target("127.0.0.1:3", "n0", "pydoc")
    assert find_target(str(new), "n1", tmp_path) == Target("127.0.0.1:4", "n1", "pydoc")
    assert find_target("n0", "", tmp_path) == Target("127.0.0.1:3", "n0", "pydoc")
    assert find_target("n5", "", tmp_path) == Target("127.0.0.1:9", "n5", "pydoc")


def test_what_cannot_be_asked_says_why_and_what_to_do(tmp_path: Path) -> None:
    run_folder(tmp_path / "runs/a", {"n0": "127.0.0.1:1"})
    over = run_folder(tmp_path / "over", None)
    with pytest.raises(UsageError, match="that has started"):
        find_target(str(over), "", tmp_path)
    (over / "DONE").touch()
    with pytest.raises(UsageError, match="is over"):
        find_target(str(over), "", tmp_path)
    with pytest.raises(UsageError, match="no node 'n3'; allowed are n0"):
        find_target(str(tmp_path / "runs/a"), "n3", tmp_path)
    with pytest.raises(UsageError, match="runs/a"):
        find_target("n3", "", tmp_path / "runs")
    with pytest.raises(UsageError, match="name one"):
        find_target("n0", "n1", tmp_path / "runs")


@pytest.mark.parametrize(("kept", "certified"), [("secret", False), ("runner", True)])
def test_a_run_that_lasts_lends_its_secret_or_certificate(tmp_path: Path, kept: str, certified: bool) -> None:
    folder = run_folder(tmp_path / "runs" / "one", {"n0": "127.0.0.1:7"})
    (folder / "access").mkdir()
    (folder / "access" / kept).touch()
    shown = access_of_runner(folder, certified)
    for target in (str(folder), "n0", "127.0.0.1:7"):
        assert find_target(target, "", tmp_path / "runs").access == shown
    assert find_target("127.0.0.1:8", "", tmp_path / "runs").access == Access()
