"""How the learned task is trained: whole models on the nodes, a model that is cut, or columns of the data."""

from __future__ import annotations

from typing import Literal

from experiments.scenario.keys import Strict

Kind = Literal["federated", "split", "vertical"]
"""What the nodes hold: a whole model each; its first layers; columns of the same examples."""


class TrainingSpec(Strict):
    """How the learned task is trained (docs/fl-kinds.md)."""

    kind: Kind = "federated"
    """``federated``: every node trains the whole model on its own examples; ``split``: its first layers, the rest is
    trained where activations are sent; ``vertical``: every node has columns of the same examples and a bottom model on
    them, the top model is trained where their embeddings are sent."""
    cut: str = ""
    """With ``split``, the last operation that a node does itself, by its name in the model; where it is left out, the
    names are listed."""
    head: str = ""
    """With ``split``, the last operation that the server does: the node goes on after it, with its own labels, which
    then stay on it (U-shape). None: labels are sent to the server."""
    server: str | None = None
    """With ``split``, the node that trains the rest of the model; with ``vertical``, the one that has the labels and
    trains the top model. It does its own part as well. None: the first."""
