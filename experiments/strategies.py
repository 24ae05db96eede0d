"""Flower strategies by name: those of the Message API that this project has seen running."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any

from carbon_data.own_code import import_named
from experiments.errors import UsageError

STRATEGIES: dict[str, str] = {
    "fedavg": "FedAvg",
    "fedprox": "FedProx",
    "fedavgm": "FedAvgM",
    "fedadam": "FedAdam",
    "fedyogi": "FedYogi",
    "fedadagrad": "FedAdagrad",
    "fedmedian": "FedMedian",
    "fedtrimmedavg": "FedTrimmedAvg",
    "krum": "Krum",
    "multikrum": "MultiKrum",
    "bulyan": "Bulyan",
    "qfedavg": "QFedAvg",
}


def make_strategy(name: str, options: dict[str, Any]) -> Any:
    """A fresh strategy: a name from STRATEGIES, or ``package.module:Name``. Raises UsageError."""
    try:
        if ":" in name:
            module, _, attribute = name.partition(":")
            factory = getattr(import_named(module), attribute)
        elif name in STRATEGIES:
            factory = getattr(import_module("flwr.serverapp.strategy"), STRATEGIES[name])
        else:
            raise UsageError(
                f"strategy {name!r} is not known; allowed: {', '.join(STRATEGIES)}, or package.module:Name"
            )
    except (ImportError, AttributeError) as error:
        raise UsageError(f"strategy {name!r} cannot be loaded: {error}") from error
    try:
        return factory(**options)
    except TypeError as error:
        takes = ", ".join(inspect.signature(factory).parameters)
        raise UsageError(f"strategy {name!r}: {error}; its options are {takes}") from error
