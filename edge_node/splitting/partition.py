"""Cut points of a convolutional network: any boundary between nodes of its torch.fx graph.

A cut after the first k operations makes two modules, one for the terminal and one for the server. All values that
later operations still need cross the cut, several of them where branches run side by side. The two modules hold
the very parameters of the model and run its operations in its order: their output is its output, bit by bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """Form of one tensor at a cut, for one example."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    channels_last: bool
    """Memory order; kept across the link so that the server computes on exactly the terminal's layout."""

    @property
    def num_bytes(self) -> int:
        """Bytes of the values."""
        count = 1
        for size in self.shape:
            count *= size
        return count * self.dtype.itemsize

    @classmethod
    def of(cls, tensor: Tensor) -> TensorSpec:
        """Form of ``tensor``."""
        last = tensor.dim() == 4 and not tensor.is_contiguous()
        if last and not tensor.is_contiguous(memory_format=torch.channels_last):
            last = False  # any other strides are made contiguous on the wire
        return cls(tuple(tensor.shape), tensor.dtype, last)


@dataclass(frozen=True, slots=True)
class CutPoint:
    """One boundary: the first ``position`` operations run on the terminal."""

    position: int
    after: str
    """Name of the last operation on the terminal; ``input`` when there is none."""
    crossing: tuple[str, ...]
    """Names of the values that cross."""
    specs: tuple[TensorSpec, ...]

    @property
    def num_bytes(self) -> int:
        """Bytes across the cut for the example, without framing."""
        return sum(spec.num_bytes for spec in self.specs)


@dataclass(frozen=True)
class SplitModel:
    """The two parts of a model at a cut: ``server(*terminal(x)) == model(x)``."""

    cut: CutPoint
    terminal: fx.GraphModule
    """Input -> tuple of crossing tensors."""
    server: fx.GraphModule
    """Crossing tensors -> output."""


class Partitioner:
    """Traces a model once and splits it anywhere.

    Args:
        model: One tensor in, one tensor out; control flow must not depend on values (torch.fx).
        example: An input the forms at the cuts are taken from, normally a batch of one.

    Raises:
        ValueError: a model with several inputs, or whose output is no tensor.
    """

    def __init__(self, model: nn.Module, example: Tensor) -> None:
        self.traced = fx.symbolic_trace(model)
        nodes = list(self.traced.graph.nodes)
        inputs = [node for node in nodes if node.op == "placeholder"]
        if len(inputs) != 1:
            raise ValueError(
                f"{type(model).__name__} takes {len(inputs)} inputs; a model to be split takes one tensor"
            )
        self._input: fx.Node = inputs[0]
        self._result: Any = next(node for node in nodes if node.op == "output").args[0]
        if not isinstance(self._result, fx.Node):
            raise ValueError(
                f"{type(model).__name__} gives {self._result!r}; a model to be split gives one tensor"
            )
        self.operations: list[fx.Node] = [
            n for n in nodes if n.op not in ("placeholder", "output", "get_attr")
        ]
        """What runs, in order; cutting at position k puts the first k on the terminal."""
        self._attributes: list[fx.Node] = [node for node in nodes if node.op == "get_attr"]
        self._values = _values(self.traced, example)
        if not isinstance(self._values[self._result], Tensor):
            raise ValueError(f"{type(model).__name__} gives no tensor; a model to be split gives one tensor")

    @property
    def input_name(self) -> str:
        """Name of the model's input, where it crosses a cut."""
        return str(self._input.name)

    def cut_points(self) -> list[CutPoint]:
        """Every boundary at which only tensors cross, from all on the server to all on the terminal.

        A boundary where something else would cross (a size that was computed before and is used after) is none.
        """
        return [
            self._cut(position)
            for position in range(len(self.operations) + 1)
            if all(isinstance(self._values[node], Tensor) for node in self._crossing(position))
        ]

    def cut_after(self, name: str) -> CutPoint:
        """The cut after the operation called ``name``, or ``input``.

        Raises:
            ValueError: no such operation, or no cut there.
        """
        for cut in self.cut_points():
            if cut.after == name:
                return cut
        names = ", ".join(cut.after for cut in self.cut_points())
        raise ValueError(f"no cut after {name!r}; allowed are {names}")

    def split(self, position: int) -> SplitModel:
        """The two parts at ``position``; their parameters are the model's own.

        Raises:
            ValueError: a position outside the model, or where something else than tensors crosses.
        """
        if not 0 <= position <= len(self.operations):
            raise ValueError(f"position is {position}; allowed is 0 to {len(self.operations)}")
        terminal, server = self.parts((position,))
        return SplitModel(self._cut(position), terminal, server)

    def parts(self, positions: Sequence[int]) -> list[fx.GraphModule]:
        """Parts at ascending ``positions``, one more than there are positions: each takes what crosses the cut before
        it, and all but the last give a tuple.

        Raises:
            ValueError: as ``split``.
        """
        made, begin, inputs = [], 0, [self._input]
        for position in positions:
            crossing = self._crossing(position)
            if others := [node.name for node in crossing if not isinstance(self._values[node], Tensor)]:
                raise ValueError(
                    f"no cut at position {position}: {', '.join(others)} would cross and is no tensor; "
                    "choose one of cut_points()"
                )
            made.append(self._part(inputs, self.operations[begin:position], crossing))
            begin, inputs = position, crossing
        return [*made, self._part(inputs, self.operations[begin:], self._result)]

    def _cut(self, position: int) -> CutPoint:
        crossing = self._crossing(position)
        return CutPoint(
            position=position,
            after=self.operations[position - 1].name if position else "input",
            crossing=tuple(node.name for node in crossing),
            specs=tuple(TensorSpec.of(self._values[node]) for node in crossing),
        )

    def _crossing(self, position: int) -> list[fx.Node]:
        """Values made before ``position`` and needed after it, in the order of their making."""
        before = [self._input, *self.operations[:position]]
        after = set(self.operations[position:])
        return [n for n in before if n is self._result or any(user in after for user in n.users)]

    def _part(
        self, inputs: Sequence[fx.Node], operations: Sequence[fx.Node], result: fx.Node | Sequence[fx.Node]
    ) -> fx.GraphModule:
        graph = fx.Graph()
        made: dict[fx.Node, fx.Node] = {}
        for node in inputs:
            made[node] = graph.placeholder(node.name)
        for node in self._attributes:
            # Parameters used directly belong to both parts' files; they never travel with an inference.
            if any(user in operations for user in node.users):
                made[node] = graph.node_copy(node, lambda n: made[n])
        for node in operations:
            made[node] = graph.node_copy(node, lambda n: made[n])
        if isinstance(result, fx.Node):
            graph.output(made[result])
        else:
            graph.output(tuple(made[node] for node in result))
        graph.lint()
        return fx.GraphModule(self.traced, graph)


class _Recorder(fx.Interpreter):
    """Runs a graph and keeps every value."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module, garbage_collect_values=False)
        self.values: dict[fx.Node, Any] = {}

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        self.values[n] = value
        return value


def _values(traced: fx.GraphModule, example: Tensor) -> dict[fx.Node, Any]:
    recorder = _Recorder(traced)
    with torch.no_grad():
        recorder.run(example)
    return recorder.values
