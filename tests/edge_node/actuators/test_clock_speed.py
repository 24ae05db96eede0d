"""The kernel's cpufreq, in a tree of files like its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_node.actuators.actuator import ActuatorError
from edge_node.actuators.clock_speed import ClockSpeed


def tree(root: Path, **limits: tuple[int, int]) -> Path:
    """Policies by name, with (slowest, fastest) kHz."""
    for name, (least, most) in limits.items():
        folder = root / name
        folder.mkdir(parents=True)
        (folder / "cpuinfo_min_freq").write_text(f"{least}\n")
        (folder / "cpuinfo_max_freq").write_text(f"{most}\n")
        (folder / "scaling_max_freq").write_text(f"{most}\n")
    return root


def caps(root: Path) -> dict[str, int]:
    return {folder.name: int((folder / "scaling_max_freq").read_text()) for folder in root.iterdir()}


def test_all_cores_are_capped_within_their_own_limits_and_put_back(tmp_path: Path) -> None:
    root = tree(tmp_path, policy0=(200_000, 1_400_000), policy4=(200_000, 2_000_000))
    clock = ClockSpeed([2_000_000, 800_000], root)
    assert caps(root) == {"policy0": 1_400_000, "policy4": 2_000_000}, "trying changes nothing"
    clock.run_at(1_600_000)
    assert caps(root) == {"policy0": 1_400_000, "policy4": 1_600_000}
    clock.run_at(800_000)
    assert caps(root) == {"policy0": 800_000, "policy4": 800_000}
    clock.close()
    clock.close()
    assert caps(root) == {"policy0": 1_400_000, "policy4": 2_000_000}


def test_what_cannot_be_set_is_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(
        ActuatorError, match=r"has no policy: the kernel scales no clock here.*without \+dvfs"
    ):
        ClockSpeed([1_000_000], tmp_path)
    root = tree(tmp_path / "cpufreq", policy0=(600_000, 1_500_000))
    with pytest.raises(
        ActuatorError, match="2000000 kHz is outside of what this board's cores run at, 600000 to 1500000"
    ):
        ClockSpeed([1_500_000, 2_000_000], root)
    assert caps(root) == {"policy0": 1_500_000}
    (root / "policy0" / "scaling_max_freq").unlink()
    with pytest.raises(ActuatorError, match="scaling_max_freq cannot be read"):
        ClockSpeed([1_500_000], root)
    (root / "policy0" / "scaling_max_freq").mkdir()
    with pytest.raises(ActuatorError, match="cannot be read"):
        ClockSpeed([1_500_000], root)


def test_a_file_that_may_not_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tree(tmp_path, policy0=(600_000, 1_500_000))

    def refused(path: Path, text: str) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "write_text", refused)
    with pytest.raises(
        ActuatorError, match=r"scaling_max_freq cannot be written: Permission denied; run the node as"
    ):
        ClockSpeed([1_000_000], root)


def test_a_kernel_that_takes_another_clock_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tree(tmp_path, policy0=(600_000, 1_500_000))
    written = Path.write_text

    def rounded(path: Path, text: str) -> int:
        return written(path, f"{int(text) // 500_000 * 500_000}\n")

    monkeypatch.setattr(Path, "write_text", rounded)
    with pytest.raises(ActuatorError, match="1200000 kHz was asked for, the kernel took 1000000"):
        ClockSpeed([1_200_000], root)
