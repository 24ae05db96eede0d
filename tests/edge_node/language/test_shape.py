"""Operations of a language model by its shape."""

from __future__ import annotations

from pathlib import Path

import pytest

from carbon_data.types import DataError
from edge_node.language.shape import Shape, shape_of
from tests.language_model import fetched_model

SMALL = Shape(block_parameters=100.0, output_parameters=10.0, attention_width=3.0)


def test_reading_in_two_parts_costs_what_reading_at_once_does_but_for_one_output() -> None:
    parts = SMALL.prefill_flop(30) + SMALL.prefill_flop(12, before=30)
    assert parts - SMALL.prefill_flop(42) == pytest.approx(2 * SMALL.output_parameters)


def test_writing_costs_what_reading_token_by_token_does() -> None:
    steps = sum(SMALL.prefill_flop(1, before=20 + step) for step in range(4))
    assert SMALL.decode_flop(20, 5) == pytest.approx(steps)
    assert SMALL.decode_flop(20, 1) == SMALL.decode_flop(20, 0) == 0.0


def test_the_small_model_has_its_known_parameters() -> None:
    shape = shape_of(fetched_model())
    # 30 blocks of width 576; 134.5 million parameters, 49,152 words.
    assert shape.attention_width == 30 * 576
    assert shape.output_parameters == 49_152 * 576
    assert shape.block_parameters + shape.output_parameters == pytest.approx(134.5e6, rel=0.001)


def test_a_file_without_a_model_says_so(tmp_path: Path) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"GGUF" + b"\0" * 100)
    with pytest.raises(DataError, match=r"broken\.gguf has no shape"):
        shape_of(path)
