"""``check`` finds the errors of ``run`` before anything starts."""

from __future__ import annotations

import json
import socket
import tempfile
from pathlib import Path

import pytest

from edge_node.energy.boards import load_board
from experiments.cli import invoke
from experiments.errors import UsageError
from experiments.fleet.ray_local import LocalRay
from experiments.fleet.temporary import BELOW, LONGEST_PATH_BYTES, require_short_folder
from experiments.report.notices import notices
from experiments.report.read import load
from experiments.resolve.prepare import open_scenario
from experiments.resolve.resolve import resolve
from experiments.resolve.slot_length import BUSY_SHARE, WORST_SHARE
from experiments.scenario.model import parse_scenario
from protos.messages.terms import Stage

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


def test_profiles_of_another_year_are_warned_of_in_check_run_metadata_and_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "later.toml"
    short = "[stages]\npreparation = 1\ndevelopment = 1\napplication = 0\nrecycling = 0\n"
    path.write_text(f"[time]\nstart = 2026-03-01T00:00:00Z\n{short}{TINY}".replace("count = 12", "count = 2"))
    assert invoke(["check", str(path), "--json"]) == 0
    said = capsys.readouterr()
    (warning,) = json.loads(said.out)["warnings"]
    assert warning.startswith("packaged intensity profiles of 2022 stand in for 2026:")
    assert said.err.startswith("warning: packaged")
    assert invoke(["run", str(path), "-o", str(tmp_path / "run"), "--no-report"]) == 0
    assert f"warning: {warning}" in capsys.readouterr().err
    assert json.loads((tmp_path / "run" / "metadata.json").read_text())["warnings"] == [warning]
    assert warning in [notice.text for notice in notices(load(tmp_path / "run"))]


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("banana", "'banana' is no address and does not resolve to one"),
        ("::1", "write [::1]"),
        ("127.0.0.1:8080", "a port is not part of it"),
        ("[127.0.0.1]", "brackets and colons are for IPv6"),
    ],
)
def test_a_host_that_is_none_is_refused_for_every_kind_of_fleet(
    host: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resolve_nothing(name: str, *_: object, **__: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", resolve_nothing)
    for kind in ("inprocess", "ray"):
        text = f'[coordinator]\nhost = "{host}"\n' + TINY.replace("inprocess", kind)
        with pytest.raises(UsageError, match=r"scenario:2: coordinator\.host: ") as refused:
            resolve(parse_scenario(text))
        assert said in str(refused.value)
        assert "allowed is an address of this machine" in str(refused.value)


def test_a_host_of_another_machine_is_refused_where_the_run_would_listen_there() -> None:
    elsewhere = '[coordinator]\nhost = "192.0.2.1"\n' + TINY  # TEST-NET-1: no machine has it
    resolve(parse_scenario(elsewhere))
    with pytest.raises(UsageError, match=r"coordinator\.host: '192\.0\.2\.1' is not this machine's"):
        resolve(parse_scenario(elsewhere.replace("inprocess", "ray")))
    for host in ("127.0.0.1", "0.0.0.0", "localhost"):
        resolve(parse_scenario(elsewhere.replace("inprocess", "ray").replace("192.0.2.1", host)))


@pytest.mark.parametrize(
    ("table", "key", "said"),
    [
        ("[forecast]\nerror_fraction = 0.3\n", "forecast.error_fraction", 'kind = "gaussian"'),
        ('[forecast]\nkind = "persistence"\nerror_fraction = 0.3\n', "forecast.error_fraction", "gaussian"),
        ("[inference]\npeak_hour = 12\n", "inference.peak_hour", 'arrivals = "diurnal"'),
        ('[inference]\narrivals = "poisson"\ndepth_fraction = 0.5\n', "inference.depth_fraction", "diurnal"),
        (
            "[[inference.services]]\nload_fraction = 0.1\npeak_hour = 12\n",
            "inference.services.0.peak_hour",
            'arrivals = "diurnal"',
        ),
        (
            '[inference]\narrivals = "poisson"\nload_fraction = 0.1\nbatches_per_slot = 3\n',
            "inference.batches_per_slot",
            "no effect beside load_fraction",
        ),
        ('[harvest]\nkind = "none"\npeak_w = 20\n', "harvest.peak_w", 'kind = "pv"'),
        ('[harvest]\nkind = "constant"\ntilt_deg = 20\n', "harvest.tilt_deg", 'kind = "pv"'),
        ('[harvest]\npath = "sun.csv"\n', "harvest.path", 'kind = "trace" or "package.module:Name"'),
        ('[harvest]\nkind = "mylab.sun:Sun"\nazimuth_deg = 20\n', "harvest.azimuth_deg", 'kind = "pv"'),
        (
            "[harvest]\noptions = { peak_w = 3 }\n",
            "harvest",
            "because the table or its node sets peak_w = 10.0",
        ),
        (
            '[intensity]\nsource = "trace"\npath = "a.csv"\noptions = { path = "b.csv" }\n',
            "intensity",
            "options.path = 'b.csv' has no effect",
        ),
        ("[tree.services.chat]\ntoken_weight = 2.0\n", "tree.services.chat", "served are mnist-mlp"),
    ],
)
def test_an_option_that_would_have_no_effect_is_refused_by_name(table: str, key: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        resolve(parse_scenario(table + TINY))
    table_itself = key in ("harvest", "intensity") or key.startswith("tree")
    line = 1 if table_itself else table.count("\n")
    assert str(refused.value).startswith(f"scenario:{line}: {key}: ")
    assert said in str(refused.value)


def test_options_of_other_kinds_of_nodes_and_fleets_are_refused_and_defaults_are_not() -> None:
    with pytest.raises(UsageError, match=r"scenario:8: nodes\.0\.harvest\.tilt_deg: .* no effect"):
        resolve(parse_scenario(TINY + 'harvest = { kind = "none", tilt_deg = 20 }\n'))
    for option in ("processes = 2", 'isolation = "none"'):
        with pytest.raises(UsageError, match=r'scenario:4: fleet\..* for kind = "ray"'):
            resolve(parse_scenario(TINY.replace("[fleet]", f"[fleet]\n{option}")))
    # a node's own kind takes nothing over from the scenario's, and a run's own file names every key
    resolve(parse_scenario("[harvest]\ntilt_deg = 20\n" + TINY + 'harvest = { kind = "none", peak_w = 0 }\n'))


def test_another_kind_of_fleet_drops_the_options_of_the_scenario_s(tmp_path: Path) -> None:
    path = tmp_path / "two.toml"
    path.write_text(TINY.replace('kind = "inprocess"', 'processes = 2\nmeter = "cpu-time"'))
    here = open_scenario(str(path), fleet="inprocess")
    resolve(here)
    assert (here.fleet.processes, here.fleet.meter) == ("auto", "cpu-time")
    assert open_scenario(str(path), fleet="ray").fleet.processes == 2


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
        ("modelled:/sys/class/hwmon", "modelled takes no argument"),
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
    with pytest.raises(UsageError, match=r"scenario:8: board: there is no file .*elsewhere"):
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
    """Preparation alone takes almost no time: its slots last as long as training would take."""
    text = "[stages]\npreparation = 2\ndevelopment = 0\napplication = 0\nrecycling = 0\n" + TINY
    resolved = resolve(parse_scenario(text))
    assert set(resolved.stages) == {Stage.PREPARATION}
    assert resolved.slot_s > 0.1
