"""Other quantisations of the real small model."""

from __future__ import annotations

from pathlib import Path

import gguf
import pytest

from edge_node.language.model_file import model_file
from edge_node.language.requantise import requantise
from edge_node.language.server import LanguageServer
from tests.language_model import fetched_model


@pytest.mark.processes
def test_a_smaller_file_has_the_same_model_and_answers(tmp_path: Path) -> None:
    source = fetched_model()
    target = tmp_path / "Q4_0.gguf"
    requantise(source, target, "Q4_0")
    assert target.stat().st_size < source.stat().st_size
    before, after = gguf.GGUFReader(source), gguf.GGUFReader(target)
    assert [tensor.name for tensor in after.tensors] == [tensor.name for tensor in before.tensors]
    assert {tensor.tensor_type.name for tensor in after.tensors} == {"Q4_0", "F32"}
    assert [path.name for path in tmp_path.iterdir()] == ["Q4_0.gguf"]
    with LanguageServer(model_file(target), context_tokens=256) as server:
        assert server.works


def test_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="allowed are Q4_0, Q8_0, F16"):
        requantise(tmp_path / "a.gguf", tmp_path / "b.gguf", "Q2_K")
