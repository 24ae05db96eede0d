"""``detabed tree probe`` and ``tree serve``, against small servers and the real one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from experiments.cli import invoke
from tests.experiments.probe.servers import serving
from tests.language_model import fetched_model


def probe(url: str, folder: Path, *more: str) -> int:
    return invoke(["tree", "probe", url, "-o", str(folder), "--idle-s", "0", *more])


@pytest.mark.parametrize("kind", ["vllm", "ollama"])
def test_every_request_is_in_the_table_and_the_page_is_whole(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(kind) as url:
        lengths = ["--in", "32,64", "--out", "1,4", "--repeat", "2"]
        code = probe(url, tmp_path, "--meter", f"cpu-time:{os.getpid()}", "--json", *lengths)
    assert code == 0
    told = json.loads(capsys.readouterr().out)
    requests = pd.read_csv(tmp_path / "requests.csv")
    assert len(requests) == 8
    assert sorted(requests["tokens_out"].unique()) == [1, 4]
    assert told["whole"]["requests"] == 8
    assert told["whole"]["energy_j"]["mean"] == pytest.approx(requests["energy_j"].mean())
    assert len(told["cells"]) == 4
    joules = sum(cell["energy_j"]["mean"] * cell["requests"] for cell in told["cells"])
    assert joules == pytest.approx(requests["energy_j"].sum())
    alpha = 70_423
    tokens = requests["prompt_tokens"].sum() + requests["tokens_out"].sum()
    tree = (requests["content_bits"].sum() + alpha * tokens) / requests["energy_j"].sum()
    assert told["whole"]["tree_bit_per_j"] == pytest.approx(tree)
    page = (tmp_path / "probe.html").read_text()
    assert "Cost model" in page
    assert "http://127.0.0.1" in page
    assert (tmp_path / "figures/energy-by-tokens.pdf").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--meter", "cpu-time:x"], "write cpu-time:PID"),
        (["--meter", "cpu-time:²"], "write cpu-time:PID"),
        (["--meter", "cpu-time:1", "--in", "32,²"], "--in is '32,²'"),
        (["--meter", "cpu-time:999999999"], "no process 999999999"),
        (["--meter", "modelled"], "is none that reads a server"),
        (["--meter", "cpu-time:1", "--in", "0"], "--in is '0'; allowed are numbers of tokens"),
        (["--meter", "cpu-time:1", "--out", "1,"], "--out is '1,'"),
        (["--meter", "cpu-time:1", "--dialect", "klingon"], "allowed are openai, ollama"),
        (["--meter", "cpu-time:1", "--key-variable", "NO_SUCH_KEY"], "no variable NO_SUCH_KEY"),
    ],
)
def test_wrong_input_starts_nothing(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "probe"
    with serving("vllm") as url:
        assert probe(url, folder, *arguments) == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert not folder.exists()


@pytest.mark.usefixtures("slow_machine")
def test_a_sensor_reads_what_the_machine_draws_above_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = tmp_path / "power.csv"
    rows = "".join(f"{k / 100:.2f},4.0\n" for k in range(6000))
    recording.write_text("at_s,power_w\n" + rows)
    with serving("vllm") as url:
        meter = [
            "--meter",
            f"recording:{recording},repeat",
            "--idle-s",
            "1",
            "--in",
            "32",
            "--out",
            "1",
            "--repeat",
            "1",
        ]
        code = invoke(["tree", "probe", url, "-o", str(tmp_path / "probe"), "--json", *meter])
    said = capsys.readouterr()
    assert code in (0, 1), said.err  # a request of a millisecond may be shorter than a sample
    assert json.loads(said.out)["idle_w"] == pytest.approx(4.0, rel=0.02)


@pytest.mark.usefixtures("slow_machine")
def test_the_watts_of_a_gpu_are_taken_where_they_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """500 W are more than 20 times a Raspberry Pi's; said to be at most 400 W, they are refused too."""
    recording = tmp_path / "power.csv"
    recording.write_text("at_s,power_w\n" + "".join(f"{k / 100:.2f},500.0\n" for k in range(6000)))
    lengths = ["--in", "32", "--out", "1", "--repeat", "1", "--json"]
    asked = ["--meter", f"recording:{recording},repeat", "--idle-s", "1", *lengths]
    with serving("vllm") as url:
        for more, why in (([], "or --max-watts"), (["--max-watts", "400"], "is more than 400 W")):
            assert invoke(["tree", "probe", url, "-o", str(tmp_path / "no"), *asked, *more]) == 2
            assert why in " ".join(capsys.readouterr().err.split())
        assert invoke(["tree", "probe", url, "-o", str(tmp_path / "yes"), *asked, "--max-watts", "700"]) in (
            0,
            1,
        )
    told = json.loads(capsys.readouterr().out)
    assert told["idle_w"] == pytest.approx(500.0, rel=0.02)
    assert "at most 700 W" in told["facts"]["meter"]


@pytest.mark.processes
def test_the_model_that_ships_is_served_probed_and_ends_with_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = fetched_model()
    command = [sys.executable, "-m", "experiments.cli", "tree", "serve", str(model), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        told = json.loads("".join(process.stdout.readline() for _ in range(6)))
        lengths = ["--in", "64,128", "--out", "1,8", "--repeat", "1", "--json"]
        assert probe(told["url"], tmp_path, "--meter", f"cpu-time:{told['pid']}", *lengths) == 0
        found = json.loads(capsys.readouterr().out)
        for cell in found["cells"]:
            assert cell["generated_tokens"] == cell["tokens_out"]
            assert cell["prompt_tokens"] == pytest.approx(cell["tokens_in"], rel=0.15)
            assert cell["per_token_in_j"]["mean"] > 0
    finally:
        process.send_signal(signal.SIGTERM)  # an interrupt is ignored where this suite runs in the background
        _, errors = process.communicate(timeout=300)
    assert process.returncode == 128 + signal.SIGTERM
    assert "Traceback" not in errors
    assert not Path(f"/proc/{told['pid']}").exists()


@pytest.mark.usefixtures("slow_machine")
def test_power_at_rest_that_was_not_read_is_in_the_readings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = tmp_path / "power.csv"
    recording.write_text("at_s,power_w\n" + "".join(f"{k / 100:.2f},4.0\n" for k in range(6000)))
    lengths = ["--in", "32", "--out", "1", "--repeat", "1", "--json"]
    said = []
    with serving("vllm") as url:
        for meter in (f"recording:{recording},repeat", f"cpu-time:{os.getpid()}"):
            assert probe(url, tmp_path / "probe", "--meter", meter, *lengths) in (0, 1)
            said.append(json.loads(capsys.readouterr().out)["facts"]["at rest"])
    assert said == ["in the readings, and not taken off (--idle-s 0)", "not in the readings"]


def test_a_folder_that_cannot_be_made_is_refused_before_anything_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    with serving("no-usage") as url:  # it would fail with its first answer
        assert probe(url, tmp_path / "file/probe", "--meter", f"cpu-time:{os.getpid()}") == 2
    assert "cannot be made: Not a directory" in " ".join(capsys.readouterr().err.split())
