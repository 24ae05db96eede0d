"""``detabed calibrate --task llm``."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from edge_node.calibration.language import TokenCost
from edge_node.calibration.reading import CalibrationError
from edge_node.language.model_file import ModelFile
from edge_node.language.step_cost import Prefill, Step, fit_prefill, fit_step
from experiments.cli import invoke
from experiments.commands import calibrate_tokens
from experiments.commands.calibrate_tokens import AboveRest, Calibrated
from experiments.resolve.token_costs import token_costs

PREFILLS = tuple(Prefill(n, 0.1 + 0.01 * n + 1e-5 * n * n / 2) for n in (10, 20, 40, 80, 160, 320))
STEPS = tuple(Step(b, c, 0.02 + 0.01 * b + 1e-4 * b * c) for c in (10, 100, 400) for b in (1, 4))


def test_the_cost_model_is_written_with_its_error_and_what_was_measured(tmp_path: Path) -> None:
    cost = TokenCost(fit_prefill(PREFILLS), fit_step(STEPS), PREFILLS, STEPS)
    found = Calibrated(
        ModelFile(tmp_path / "m.gguf", "ab" * 32), "cpu-time", "modelled", "b", cost, 3.0
    ).as_dict()
    assert found["prefill"]["j_per_token"] == pytest.approx(0.01)
    assert found["step"]["j_per_request_and_token"] == pytest.approx(1e-4)
    assert found["prefill"]["held_out"] == 3
    assert found["prefill"]["mean_error_fraction"] == pytest.approx(0.0, abs=1e-9)
    assert len(found["measured"]["step"]) == 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["cpu-time", "--task", "mnist-mlp"], "allowed is llm"),
        (["cpu-time", "--task", "llm", "--output", "x.json"], "ends in .toml"),
        (["cpu-time", "--task", "llm", "--model", "none.gguf"], "cannot be read"),
        (["hwmon:/none", "--model", "m.gguf"], "--model is for --task llm"),
    ],
)
def test_what_cannot_be_calibrated_is_a_sentence(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert invoke(["calibrate", *arguments]) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not list(tmp_path.iterdir())


def test_the_command_writes_toml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cost = TokenCost(fit_prefill(PREFILLS), fit_step(STEPS), PREFILLS, STEPS)
    made = Calibrated(ModelFile(tmp_path / "m.gguf", "ab" * 32), "cpu-time", "modelled", "b", cost, 3.0)
    monkeypatch.setattr(calibrate_tokens, "calibrated_tokens", lambda *_: made)
    output = tmp_path / "cost.toml"
    assert invoke(["calibrate", "cpu-time", "--task", "llm", "--output", str(output)]) == 0
    assert tomllib.loads(output.read_text())["sha256"] == "ab" * 32
    read = token_costs(output, made.model)
    assert (read.watts, read.prefill_j) == (3.0, pytest.approx((0.1, 0.01, 1e-5)))


def test_watts_are_those_above_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    read = iter([(10.0, 5.0), (8.0, 2.0), (10.0, 3.0)])  # joules and seconds: at rest, then of two windows

    class Meter:
        counts_idle = True

        def open(self) -> Callable[[], SimpleNamespace]:
            joules, seconds = next(read)
            return lambda: SimpleNamespace(energy_j=joules, duration_s=seconds)

    monkeypatch.setattr(calibrate_tokens.time, "sleep", lambda _: None)
    above = AboveRest(Meter())  # type: ignore[arg-type]
    with pytest.raises(CalibrationError, match="nothing above rest"):
        _ = above.watts
    assert [above()(), above()()] == [8.0 - 4.0, 10.0 - 6.0]
    assert above.watts == pytest.approx(8.0 / 5.0)
