"""``check`` finds what ``run`` would die of, before anything starts."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest

from edge_node.energy.boards import load_board
from experiments.cli import invoke
from experiments.errors import UsageError
from experiments.fleet.ray_local import LocalRay
from experiments.fleet.temporary import BELOW, LONGEST_PATH_BYTES, require_short_folder
from experiments.resolve.resolve import BUSY_SHARE, WORST_SHARE, resolve
from experiments.scenario.model import parse_scenario
from protos.messages import Stage

TINY = '[task]\ndata = "digits"\n[fleet]\nkind = "inprocess"\n[[nodes]]\nzone = "DE"\ncount = 12\n'


def test_a_scenario_of_nothing_but_nodes_fits_every_stage(tmp_path: Path) -> None:
    """A dozen nodes share few examples, so that serving takes them longer than training."""
    path = tmp_path / "twelve.toml"
    path.write_text(TINY)
    resolved = resolve(parse_scenario(TINY))
    serving_s = (
        resolved.inference[0].batches_per_slot
        * resolved.inference[0].requests_per_batch
        * _serve_flop()
        / resolved.boards[0].effective_flop_per_s
    )
    assert resolved.slot_s == pytest.approx(serving_s / BUSY_SHARE)
    assert invoke(["run", str(path), "-o", str(tmp_path / "run"), "--no-report"]) == 0


def _serve_flop() -> float:
    from edge_node.tasks.registry import find_task

    return find_task("mnist-mlp").serve_flop()


def test_auto_is_the_training_stage_s_where_that_is_busiest_and_covers_the_slowest_board() -> None:
    light = "[inference]\nbatches_per_slot = 1\n" + TINY
    alike = resolve(parse_scenario(light))
    slow = resolve(parse_scenario(light + "[[nodes]]\nzone = 'FR'\nboard = { effective_flop_per_s = 1e7 }\n"))
    own_s = [
        count * alike.slot_s * BUSY_SHARE / alike.batches_per_node[0] * ratio
        for count, ratio in zip(
            slow.batches_per_node,
            (alike.boards[0].effective_flop_per_s / board.effective_flop_per_s for board in slow.boards),
            strict=True,
        )
    ]
    assert max(own_s) > 2 * sum(own_s) / len(own_s)
    assert slow.slot_s == pytest.approx(max(own_s) / WORST_SHARE, rel=0.02)


def test_requests_per_second_do_not_lengthen_a_slot() -> None:
    few, many = (
        resolve(parse_scenario(f'[inference]\narrivals = "poisson"\nrequests_per_s = {rate}\n' + TINY)).slot_s
        for rate in (1, 1000)
    )
    assert few == many


def test_a_slot_longer_than_its_trace_step_is_warned_about(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "long.toml"
    path.write_text("[time]\nslot_s = 7200\n" + TINY)
    assert invoke(["check", str(path), "--json"]) == 0
    said = capsys.readouterr()
    (warning,) = json.loads(said.out)["warnings"]
    assert "7200 s is longer than the 3600 s" in warning
    assert said.err.startswith("warning:")
    path.write_text("[time]\nslot_s = 3600\n" + TINY)
    assert invoke(["check", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["warnings"] == []


@pytest.mark.parametrize(
    ("meter", "said"),
    [
        ("hwmon:/no/such/sensor", "no INA2xx sensor in /no/such/sensor"),
        ("rapl:/no/such/counter", "no RAPL counter in /no/such/counter"),
        ("record:log.jsonl=rapl:/no/such/counter", "no RAPL counter"),
        ("record:/no/such/folder/log.jsonl=modelled", "no folder /no/such/folder"),
        ("replay:/no/such/log.jsonl", "/no/such/log.jsonl"),
        ("replay", "replay:PATH"),
        ("record:modelled", "record:PATH=METER"),
        ("nothing", "unknown meter"),
        ("nowhere.meters:Mine", "cannot be loaded"),
    ],
)
def test_a_meter_that_cannot_run_here_is_refused_with_its_line(meter: str, said: str) -> None:
    text = TINY.replace("[fleet]", f'[fleet]\nmeter = "{meter}"')
    with pytest.raises(UsageError, match=r"scenario:4: fleet\.meter") as refused:
        resolve(parse_scenario(text))
    assert said in str(refused.value)


def test_a_sensor_that_is_there_is_accepted_and_let_go(tmp_path: Path) -> None:
    (tmp_path / "power1_input").write_text("2000000\n")
    resolve(parse_scenario(TINY.replace("[fleet]", f'[fleet]\nmeter = "hwmon:{tmp_path}"')))


def test_a_board_s_own_file_lies_beside_the_scenario(tmp_path: Path) -> None:
    text = (Path(load_board.__globals__["__file__"]).parent / "raspberry_pi_4b.toml").read_text()
    (tmp_path / "mine.toml").write_text(text)
    own = TINY + '[board]\nprofile = "mine.toml"\n'
    resolved = resolve(parse_scenario(own, folder=tmp_path))
    assert resolved.boards[0].busy_w == load_board("raspberry-pi-4b").config().busy_w
    # What the run folder says finds it from anywhere.
    assert Path(resolved.scenario.board.profile) == tmp_path / "mine.toml"
    with pytest.raises(UsageError, match=r"scenario:8: board: unknown board"):
        resolve(parse_scenario(own, folder=tmp_path / "elsewhere"))
    (tmp_path / "mine.toml").write_text("[static_w]\nvalue = 3\n")
    with pytest.raises(UsageError, match=r"scenario:8: board: .*mine\.toml: static_w has no unit"):
        resolve(parse_scenario(own, folder=tmp_path))


def test_a_temporary_folder_too_long_for_sockets_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    longest = "/" + "t" * (LONGEST_PATH_BYTES - len(BELOW) - 1)
    require_short_folder(longest)
    monkeypatch.setattr(tempfile, "tempdir", longest + "t")
    with pytest.raises(UsageError, match=r"fleet\.kind: TMPDIR is .*TMPDIR=/tmp"):
        resolve(parse_scenario(TINY.replace("inprocess", "ray")))
    resolve(parse_scenario(TINY))


@pytest.mark.e2e
def test_ray_starts_in_the_longest_folder_that_is_allowed(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed = LONGEST_PATH_BYTES - len(BELOW)
    with tempfile.TemporaryDirectory(prefix="/tmp/" + "t" * (allowed - 5 - 8)) as folder:
        assert len(folder) == allowed
        monkeypatch.setattr(tempfile, "tempdir", folder)
        with LocalRay(1, ()):
            sockets = list(Path(folder).glob("detabed-*/session_2*/sockets/*"))
            assert sockets
            assert all(len(str(socket)) <= LONGEST_PATH_BYTES for socket in sockets)


def test_stages_are_those_of_the_slot_length(tmp_path: Path) -> None:
    """Preparation alone takes next to nothing: its slots last as long as training would take."""
    text = "[stages]\npreparation = 2\ndevelopment = 0\napplication = 0\nrecycling = 0\n" + TINY
    resolved = resolve(parse_scenario(text))
    assert set(resolved.stages) == {Stage.PREPARATION}
    assert resolved.slot_s > 0.1
