"""The cells of a study, computed in the user's cache folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.studies.computed import compute_cells
from experiments.studies.fei.engine import content_key


@dataclass(frozen=True)
class Square:
    number: int
    weight: float = 1.0

    def key(self) -> str:
        return content_key("square", self.number)

    def compute(self, scratch: Path) -> dict[str, Any]:
        return {"square": self.number**2}


def squares(results: list[list[dict[str, Any]]]) -> list[list[int]]:
    return [[found["square"] for found in group] for group in results]


def test_results_come_by_group_in_the_order_of_its_cells(tmp_path: Path) -> None:
    groups = [[Square(3), Square(1)], [], [Square(2)]]
    results, computed = compute_cells("squares", groups, what="squares", workers=1, cache=tmp_path)
    assert squares(results) == [[9, 1], [], [4]]
    assert computed == 3


def test_what_is_kept_is_not_computed_again_and_equal_cells_are_computed_once(tmp_path: Path) -> None:
    compute_cells("squares", [[Square(3)]], what="squares", workers=1, cache=tmp_path)
    groups = [[Square(3)], [Square(2)], [Square(2)]]
    results, computed = compute_cells("squares", groups, what="squares", workers=1, cache=tmp_path)
    assert squares(results) == [[9], [4], [4]]
    assert computed == 1
