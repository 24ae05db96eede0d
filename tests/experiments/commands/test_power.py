"""``detabed power``: (T2) from the user's readings, without undetermined coefficients."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edge_node.energy.component_power import COEFFICIENTS
from experiments.cli import invoke
from experiments.commands.power import UNDETERMINED, fit_report

TRUE = dict(zip(COEFFICIENTS, (4e-10, 1e-10, 0.8, 3e-10, 5e-11, 0.4, 2.5, 1.5), strict=True))


def readings(path: Path, count: int, noise_w: float = 0.0) -> Path:
    """Readings of a device with coefficients ``TRUE`` at random operating points."""
    random = np.random.default_rng(0)
    blocks = []
    for k in range(count):
        core_v, memory_v = random.uniform(0.7, 1.2), random.uniform(1.0, 1.4)
        core_hz, memory_hz = random.uniform(0.5e9, 2e9), random.uniform(0.4e9, 2e9)
        busy, traffic, sent_w = random.uniform(0, 4), random.uniform(0, 1), random.uniform(0, 0.3)
        on = k % 2
        power_w = (
            core_v**2 * core_hz * (TRUE["lam1c"] * busy + TRUE["lam2c"])
            + core_v * TRUE["lam0c"]
            + memory_v**2 * memory_hz * (TRUE["lam1m"] * traffic + TRUE["lam2m"])
            + memory_v * TRUE["lam0m"]
            + on * (TRUE["lam_r"] * sent_w + TRUE["p_c"])
            + noise_w * random.normal()
        )
        blocks.append(
            f'[[reading]]\nname = "r{k}"\ncore_v = {core_v}\ncore_hz = {core_hz}\ncore_utilisation = {busy}\n'
            f"memory_v = {memory_v}\nmemory_hz = {memory_hz}\nmemory_utilisation = {traffic}\n"
            f"transmit_w = {on * sent_w}\ncircuit_on = {str(bool(on)).lower()}\npower_w = {power_w}\n"
            'source = "my meter"\n'
        )
    path.write_text("\n".join(blocks))
    return path


def test_readings_that_vary_everything_give_the_coefficients_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = readings(tmp_path / "mine.toml", 40)
    assert invoke(["power", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {row["name"]: row["value"] for row in found["coefficients"]} == pytest.approx(TRUE, rel=1e-6)
    assert found["rms_residual_w"] < 1e-9
    for row in found["readings"]:
        parts = (row[f"{name}_w"] for name in ("computation", "memory", "communication"))
        assert sum(parts) == pytest.approx(row["model_w"])


def test_residuals_are_reading_less_model_and_say_how_far_the_model_is_off(tmp_path: Path) -> None:
    found = fit_report(str(readings(tmp_path / "noisy.toml", 60, noise_w=0.05)))
    assert 0.02 < found["rms_residual_w"] < 0.08
    for row in found["readings"]:
        assert row["residual_w"] == pytest.approx(row["power_w"] - row["model_w"])


def test_packaged_devices_say_what_their_published_readings_do_not_tell() -> None:
    for name in ("raspberry-pi-4b", "rtx-4090-server"):
        found = fit_report(name)
        unknown = [row for row in found["coefficients"] if row["value"] is None]
        assert unknown
        assert all(row["reason"] == UNDETERMINED for row in unknown)
        assert all(row["source"] for row in found["readings"])


@pytest.mark.parametrize(
    "content", ["", "[[reading]]\nname = 'a'\npower_w = 1.0\n", "[[reading]]\nname = 'a'\nwatts = 1.0\n"]
)
def test_a_file_that_cannot_be_fitted_is_bad_input(tmp_path: Path, content: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(content)
    assert invoke(["power", str(path)]) == 2
    assert invoke(["power", str(tmp_path / "none.toml")]) == 2


def test_a_coefficient_at_its_bound_is_said_to_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """(T2) has no term for a device that draws less power the more it sends."""
    path = readings(tmp_path / "odd.toml", 40)
    lines = path.read_text().splitlines()
    sent_w = 0.0
    for place, line in enumerate(lines):
        if line.startswith("transmit_w"):
            sent_w = float(line.split("=")[1])
        elif line.startswith("power_w"):
            power_w = float(line.split("=")[1]) - 2 * TRUE["lam_r"] * sent_w
            lines[place] = f"power_w = {power_w}"
    path.write_text("\n".join(lines))
    found = {row["name"]: row for row in fit_report(str(path))["coefficients"]}
    assert (found["lam_r"]["value"], found["lam_r"]["at_bound"]) == (0.0, True)
    assert not found["lam1c"]["at_bound"]
    assert invoke(["power", str(path)]) == 0
    assert "at its bound" in " ".join(capsys.readouterr().out.split())


def test_what_is_not_determined_is_not_said_to_be_at_its_bound() -> None:
    for row in fit_report("raspberry-pi-4b")["coefficients"]:
        assert row["value"] is not None or not row["at_bound"]
