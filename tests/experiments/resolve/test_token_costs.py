"""The file of calibrated costs: read, or refused with words."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_node.language.model_file import ModelFile
from experiments.resolve.token_costs import token_costs

MODEL = ModelFile(Path("/m/model.gguf"), "ab" * 32)
GOOD = f"""sha256 = "{MODEL.sha256}"
watts = 2.5
[prefill]
j = 0.1
j_per_token = 0.01
j_per_token2 = 1e-5
[step]
j = 0.02
j_per_request = 0.01
j_per_request_and_token = 1e-4
"""


def test_the_figures_are_read(tmp_path: Path) -> None:
    path = tmp_path / "costs.toml"
    path.write_text(GOOD)
    found = token_costs(path, MODEL)
    assert (found.prefill_j, found.step_j, found.watts) == ((0.1, 0.01, 1e-5), (0.02, 0.01, 1e-4), 2.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD.replace("ab", "cd"), "costs of a model with sha256 cdcdcdcdcdcd"),
        (GOOD.replace("watts = 2.5\n", ""), "has no watts"),
        (GOOD.replace("j_per_request_and_token", "x"), "has no j_per_request_and_token"),
        (GOOD.replace("2.5", "0"), "is no cost model"),
        (GOOD.replace("2.5", "much"), "is no cost model"),
        (None, "cannot be read"),
    ],
)
def test_other_files_are_refused(text: str | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "costs.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ValueError, match=message):
        token_costs(path, MODEL)
