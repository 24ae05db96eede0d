"""Another quantisation of a model's file, made on this machine: Q4_0 for fast reading, Q8_0 and F16 to compare with."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

KINDS = ("Q4_0", "Q8_0", "F16")


def requantise(source: Path, target: Path, kind: str) -> None:
    """Write ``source`` (GGUF) as ``target`` with matrices in ``kind``; vectors stay as they are.

    What the quantisation of ``source`` lost stays lost, also where ``kind`` has more bits. Raises ValueError for an
    unknown kind."""
    if kind not in KINDS:
        raise ValueError(f"quantisation {kind!r}; allowed are {', '.join(KINDS)}")
    # A node that serves a file as it is does without the package.
    import gguf
    import numpy as np

    wanted = gguf.GGMLQuantizationType[kind]
    reader = gguf.GGUFReader(source)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".gguf-", dir=target.parent) as folder:
        draft = Path(folder) / target.name
        writer: Any = gguf.GGUFWriter(draft, str(reader.fields["general.architecture"].contents()))
        for field in reader.fields.values():
            if field.name.startswith("GGUF.") or field.name in ("general.architecture", "general.file_type"):
                continue
            kinds = field.types
            inner = kinds[-1] if kinds[0] == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(field.name, field.contents(), kinds[0], sub_type=inner)
        for tensor in reader.tensors:
            values: Any = tensor.data
            if tensor.tensor_type != gguf.GGMLQuantizationType.F32:
                values = gguf.quants.dequantize(values, tensor.tensor_type)
            values = np.asarray(values, np.float32).reshape([int(size) for size in reversed(tensor.shape)])
            if values.ndim < 2 or tensor.tensor_type == gguf.GGMLQuantizationType.F32:
                writer.add_tensor(tensor.name, values)
            else:
                writer.add_tensor(tensor.name, gguf.quants.quantize(values, wanted), raw_dtype=wanted)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        os.replace(draft, target)


def cache_bytes_per_token(path: Path) -> int:
    """What a token takes in the prompt cache by the model's shape: keys and values of every layer, two bytes each."""
    import gguf

    fields = gguf.GGUFReader(path).fields
    name = str(fields["general.architecture"].contents())

    def of(key: str) -> int:
        return int(fields[f"{name}.{key}"].contents())

    heads, width = of("attention.head_count"), of("embedding_length")
    return of("block_count") * 2 * of("attention.head_count_kv") * (width // heads) * 2
