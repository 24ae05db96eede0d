"""The sweep engine: jobs on a few processes, every result kept under the hash of all it depends on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from experiments.studies.fei import engine
from experiments.studies.fei.engine import content_key, run_jobs, tell


@dataclass(frozen=True)
class Square:
    number: int
    log: Path
    weight: float = 1.0

    def key(self) -> str:
        return content_key("square", self.number)

    def compute(self, scratch: Path) -> dict[str, Any]:
        if self.number < 0:
            raise ValueError("negative")
        with self.log.open("a") as stream:
            stream.write(f"{self.number}\n")
        return {"square": self.number**2}


def test_the_engine_computes_each_key_once_and_keeps_it(tmp_path: Path) -> None:
    log = tmp_path / "log"
    jobs = [Square(2, log), Square(3, log), Square(2, log)]
    results, computed = run_jobs(jobs, tmp_path / "cache", what="squares", workers=1)
    assert [result["square"] for result in results] == [4, 9, 4]
    assert computed == 2
    again, computed = run_jobs(jobs, tmp_path / "cache", what="squares", workers=1)
    assert [result["square"] for result in again] == [4, 9, 4]
    assert computed == 0
    assert len(log.read_text().split()) == 2


def test_what_was_finished_before_an_error_is_kept(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with pytest.raises(ValueError, match="negative"):
        run_jobs([Square(5, log, weight=2.0), Square(-1, log)], tmp_path / "cache", what="squares", workers=1)
    _, computed = run_jobs([Square(5, log)], tmp_path / "cache", what="squares", workers=1)
    assert computed == 0


@dataclass(frozen=True)
class Half:
    """A job that reports to be half done and reads the bar's figures meanwhile."""

    weight: float = 10.0

    def key(self) -> str:
        return "half"

    def compute(self, scratch: Path) -> dict[str, Any]:
        tell(scratch, "half way", 5.0)
        with engine.sweep_bar(None) as progress:
            watch = engine.Watch(progress, "jobs", {scratch.with_suffix(".json"): self.weight})
            fresh = progress.tasks[0].completed
            tell(scratch, "on", 7.0)
            watch.update()
            watch.stop()
            return {
                "fresh": fresh,
                "done": progress.tasks[0].completed,
                "said": progress.tasks[0].fields["detail"],
            }


def test_a_running_job_moves_the_bar_by_what_it_says(tmp_path: Path) -> None:
    results, _ = run_jobs([Half()], tmp_path, what="half", workers=1)
    assert results[0]["fresh"] == 0.0, "what was done before this study began is no speed of this one"
    assert results[0]["done"] == pytest.approx(2.0)
    assert results[0]["said"] == "on"
    assert [path.name for path in tmp_path.iterdir()] == ["half.json"], "nothing is left beside the result"
