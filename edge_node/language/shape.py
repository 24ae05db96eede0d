"""Operations of a language model by its shape: reading a prompt, and every token that is written. Pure but for
``shape_of``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carbon_data.types import DataError


@dataclass(frozen=True, slots=True)
class Shape:
    """What is multiplied: a multiplication and an addition are two operations."""

    block_parameters: float
    """Of the blocks, for every token."""
    output_parameters: float
    """Of the output layer, for every token that is written."""
    attention_width: float
    """Blocks times width."""
    cache_bytes_per_token: int = 0
    """Keys and values of every block, two bytes each; 0: the file does not say."""

    def prefill_flop(self, tokens: int, before: int = 0) -> float:
        """Reading ``tokens`` after ``before`` others, and writing the first one."""
        seen = tokens * before + tokens * (tokens + 1) / 2
        return 2.0 * self.block_parameters * tokens + 4.0 * self.attention_width * seen + self._output

    def decode_flop(self, context: int, tokens_out: int) -> float:
        """The steps after the first token of an answer: ``tokens_out`` - 1 of them, the context grows from
        ``context``."""
        steps = max(0, tokens_out - 1)
        seen = steps * context + steps * (steps + 1) / 2
        return steps * (2.0 * self.block_parameters + self._output) + 4.0 * self.attention_width * seen

    @property
    def _output(self) -> float:
        return 2.0 * self.output_parameters


def shape_of(path: Path) -> Shape:
    """Shape of the model in a GGUF. Raises DataError for a file without one, ImportError without the package gguf."""
    # A node is told the shape and does without the package.
    import gguf

    try:
        reader = gguf.GGUFReader(path)
        name = str(reader.fields["general.architecture"].contents())
        blocks = int(reader.fields[f"{name}.block_count"].contents())
        width = int(reader.fields[f"{name}.embedding_length"].contents())
        matrices = {
            tensor.name: float(tensor.n_elements) for tensor in reader.tensors if len(tensor.shape) > 1
        }
        # Where there is no output layer of its own, the embedding is it.
        output = matrices.get("output.weight", matrices["token_embd.weight"])
        inner = sum(size for name, size in matrices.items() if name.startswith("blk."))
    except (ValueError, KeyError, IndexError, OSError) as error:
        raise DataError(
            f"{path} has no shape of a language model ({type(error).__name__}: {error}); give the .gguf file of one"
        ) from error
    heads, of_cache = (_count(reader, f"{name}.attention.{key}") for key in ("head_count", "head_count_kv"))
    cache_bytes = 2 * 2 * blocks * of_cache * (width // heads) if heads else 0
    return Shape(inner, output, float(blocks * width), cache_bytes)


def _count(reader: Any, key: str) -> int:
    """A whole number of the file; 0 where it has none, or one for each block."""
    found = reader.fields[key].contents() if key in reader.fields else 0
    return found if isinstance(found, int) else 0
