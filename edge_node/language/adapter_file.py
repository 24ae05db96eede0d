"""A trained adapter (LoRA) as a file that llama.cpp's server puts on its model: GGUF, matrices as float32.

Tensors are called after the layer that they change, with ``.lora_a`` and ``.lora_b``. llama.cpp keeps the rows of a
query projection in another order than transformers, pairs of a rotation side by side; B has to be in that order too.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carbon_data.types import DataError

NAMES = {"q_proj": "attn_q", "v_proj": "attn_v"}
"""Of transformers' projections in llama.cpp."""
_NAME = re.compile(r"layers\.(\d+)\.(q_proj|v_proj)\.lora_([AB])")


def write_adapter(parameters: Mapping[str, NDArray[Any]], model: Path, target: Path, alpha: float) -> None:
    """Write ``parameters`` of task ``lora`` (``layers.K.q_proj.lora_A`` ...) as an adapter of the file ``model``.

    Args:
        alpha: What the product is scaled by, before it is divided by the rank.

    Raises:
        DataError: names or shapes that are not those of an adapter of that model.
    """
    # A node that serves no model of this form does without the package.
    import gguf

    reader = gguf.GGUFReader(model)
    architecture = str(reader.fields["general.architecture"].contents())
    heads = int(reader.fields[f"{architecture}.attention.head_count"].contents())
    shapes = {tensor.name: tuple(int(size) for size in reversed(tensor.shape)) for tensor in reader.tensors}
    found = {}
    for name, array in parameters.items():
        if (match := _NAME.fullmatch(name)) is None:
            raise DataError(f"{name!r} is no matrix of an adapter: the model is of another task than lora")
        number, projection, which = match.groups()
        layer = f"blk.{number}.{NAMES[projection]}.weight"
        if layer not in shapes:
            raise DataError(f"{name} changes {layer}, which {model} has not: the adapter is of another model")
        values = np.asarray(array, np.float32)
        outputs, inputs = shapes[layer]
        if values.ndim != 2 or values.shape[1 if which == "A" else 0] != (
            inputs if which == "A" else outputs
        ):
            raise DataError(
                f"{name} has shape {values.shape}, and {layer} of {model} is {outputs} x {inputs}"
            )
        if (projection, which) == ("q_proj", "B"):
            values = paired(values, heads)
        found[f"{layer}.lora_{which.lower()}"] = values
    if not found:
        raise DataError("there is no matrix of an adapter")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".gguf-", dir=target.parent) as folder:
        draft = Path(folder) / target.name
        writer = gguf.GGUFWriter(draft, architecture)
        writer.add_type(gguf.GGUFType.ADAPTER)
        writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
        writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, alpha)
        for name in sorted(found):
            writer.add_tensor(name, np.ascontiguousarray(found[name]))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        os.replace(draft, target)


def paired(rows: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Rows in llama.cpp's order: of each of ``heads`` heads, row k of its first half beside row k of its second."""
    halves = rows.reshape(heads, 2, rows.shape[0] // heads // 2, rows.shape[1])
    return halves.swapaxes(1, 2).reshape(rows.shape)
