"""Flower strategies by name: those of the Message API that this project has seen running, with their options.

An option is refused by name where the testbed decides the matter (who trains), where one value alone works (which is
then supplied), or where Flower takes it and does nothing with it.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from carbon_data.own_code import named, place_of
from experiments.errors import UsageError

if TYPE_CHECKING:
    from experiments.scenario.model import Scenario

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
    "fedbn": "coordinator.adapters.flower_personal:FedBN",
    "fedper": "coordinator.adapters.flower_personal:FedPer",
    "ditto": "coordinator.adapters.flower_personal:Ditto",
}
"""Classes of flwr.serverapp.strategy; ours with their module."""
_WHO_TRAINS = (
    "the policy allocates who trains; for a random choice set policy = 'random' with "
    "policy_options = { clients = 2 }"
)
_EVALUATION = "the model is evaluated centrally, on held-out data, after every round"
ALLOCATED: dict[str, str] = {
    "fraction_train": _WHO_TRAINS,
    "min_train_nodes": _WHO_TRAINS,
    "min_available_nodes": _WHO_TRAINS,
    "fraction_evaluate": _EVALUATION,
    "min_evaluate_nodes": _EVALUATION,
}
"""Options that the allocation overrides, and why."""
FIXED: dict[str, tuple[str, str]] = {
    "arrayrecord_key": ("arrays", "nodes read and send models under this key"),
    "configrecord_key": ("config", "nodes read their settings under this key"),
    "train_loss_key": ("loss", "nodes report their training loss under this key"),
}
"""Options with one value that works, and why."""
WITHOUT_EFFECT: dict[str, str] = {
    "eta_l": "Flower keeps it and never uses it; nodes train with task.learning_rate"
}
WEIGHTS = ("num-examples", "batches", "flop", "loss")
"""What nodes report of a round: values of ``weighted_by_key``."""
BOUNDS: dict[str, tuple[Callable[[float], bool], str]] = {
    "beta": (lambda x: 0 <= x < 0.5, "0 <= beta < 0.5"),
    "beta_1": (lambda x: 0 <= x < 1, "0 <= beta_1 < 1"),
    "beta_2": (lambda x: 0 <= x < 1, "0 <= beta_2 < 1"),
    "tau": (lambda x: x > 0, "tau > 0"),
    "eta": (lambda x: x > 0, "eta > 0"),
    "server_learning_rate": (lambda x: x > 0, "server_learning_rate > 0"),
    "server_momentum": (lambda x: 0 <= x < 1, "0 <= server_momentum < 1"),
    "q": (lambda x: x >= 0, "q >= 0"),
    "client_learning_rate": (lambda x: x > 0, "client_learning_rate > 0"),
    "proximal_mu": (lambda x: x >= 0, "proximal_mu >= 0"),
    "num_malicious_nodes": (lambda x: x >= 0, "num_malicious_nodes >= 0"),
    "pull": (lambda x: x >= 0, "pull >= 0"),
    "num_nodes_to_select": (lambda x: x >= 1, "num_nodes_to_select >= 1"),
}
"""Values with which Flower's strategies compute a finite model that changes towards what the nodes have learned."""


def make_strategy(name: str, options: Mapping[str, Any], learning_rate: float) -> Any:
    """A fresh strategy: a name from STRATEGIES, or ``package.module:Name``. Raises UsageError.

    ``learning_rate``: of the nodes; supplied to a strategy that needs it and is not given it.
    """
    factory = find_strategy(name)
    takes = _parameters(factory)
    given = dict(options)
    if name in STRATEGIES:
        given |= {key: value for key, (value, _) in FIXED.items() if key in takes}
    if "client_learning_rate" in takes and takes["client_learning_rate"].default is inspect.Parameter.empty:
        given.setdefault("client_learning_rate", learning_rate)
    try:
        return factory(**given)
    except (TypeError, ValueError) as error:
        raise UsageError(f"strategy {name!r}: {error}; {_options_text(name, factory)}") from error
    except Exception as error:  # user strategies may raise anything
        raise UsageError(
            f"strategy {name!r} cannot be made: {type(error).__name__}: {error} (at {place_of(error)})"
        ) from error


def check_strategy(scenario: Scenario, clients: int) -> None:
    """Raises UsageError, with its line, for what would keep the strategy from making a model in a run. ``clients``:
    nodes that train in a round, at most."""
    name, options = scenario.task.strategy, dict(scenario.task.strategy_options)
    with scenario.at("task", "strategy"):
        factory = find_strategy(name)
        _check_nodes(name, options, clients)
    for key, value in options.items():
        with scenario.at("task", "strategy_options", key):
            _check_option(name, factory, key, value)
    with scenario.at("task", "strategy"):
        _check_needs(name, factory, options)
        make_strategy(name, options, scenario.task.learning_rate)


def describe_strategies() -> dict[str, str]:
    """Every listed strategy with its class and the options that a scenario may set, with their defaults."""
    found = {}
    for name, target in STRATEGIES.items():
        factory = find_strategy(name)
        settable = _settable(factory)
        texts = [
            f"{key} (task.learning_rate)"
            if parameter.default is inspect.Parameter.empty
            else f"{key} ({parameter.default!r})"
            for key, parameter in settable.items()
        ]
        where = target.replace(":", ".") if ":" in target else f"flwr.serverapp.strategy.{target}"
        found[name] = f"{where}; options: {', '.join(texts) or 'none'}"
    return found


def find_strategy(name: str) -> Any:
    """The class (or function) behind ``name``; of a strategy, what makes copies of it. Raises UsageError."""
    ours = {
        key: target if ":" in target else f"flwr.serverapp.strategy:{target}"
        for key, target in STRATEGIES.items()
    }
    found = named(name, ours, "strategy", UsageError)
    if callable(found):
        return found
    if not hasattr(found, "aggregate_train"):
        raise UsageError(
            f"{name} is a {type(found).__name__}, and makes no strategy; a class or a strategy is needed"
        )

    def fresh() -> Any:
        return copy.deepcopy(found)

    return fresh


def _parameters(factory: Any) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(factory).parameters)


def _takes_a_function(parameter: inspect.Parameter) -> bool:
    return "Callable" in str(parameter.annotation)


def _settable(factory: Any) -> dict[str, inspect.Parameter]:
    """Parameters of a listed strategy that a scenario may set to more than one value."""
    return {
        key: parameter
        for key, parameter in _parameters(factory).items()
        if key not in (*ALLOCATED, *FIXED, *WITHOUT_EFFECT) and not _takes_a_function(parameter)
    }


def _options_text(name: str, factory: Any) -> str:
    settable = _settable(factory) if name in STRATEGIES else _parameters(factory)
    return f"its options are {', '.join(settable) or 'none'}"


def _check_option(name: str, factory: Any, key: str, value: Any) -> None:
    """Raises UsageError for an option that would be overridden, would do nothing, or would fail in a round."""
    if key in ALLOCATED:
        raise UsageError(f"{key} = {value!r} would have no effect: {ALLOCATED[key]}")
    if name not in STRATEGIES:
        return  # the options of a strategy of one's own are its own matter
    takes = _parameters(factory)
    if key not in takes:
        raise UsageError(f"strategy {name!r} has no option {key!r}; {_options_text(name, factory)}")
    if key in FIXED and value != FIXED[key][0]:
        allowed, why = FIXED[key]
        raise UsageError(f"{key} = {value!r}; the one value that works is {allowed!r}: {why}")
    if key in WITHOUT_EFFECT:
        raise UsageError(f"{key} = {value!r} would have no effect: {WITHOUT_EFFECT[key]}")
    if _takes_a_function(takes[key]):
        raise UsageError(
            f"{key} takes a function, which a scenario cannot hold; derive a strategy of your own and name it as "
            "package.module:Name"
        )
    if key == "weighted_by_key" and value not in WEIGHTS:
        raise UsageError(f"{key} = {value!r}; nodes report {', '.join(WEIGHTS)}")
    wanted = takes[key].annotation
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if (wanted is float and not number) or (wanted is int and not (number and isinstance(value, int))):
        raise UsageError(f"{key} = {value!r}; a {'whole ' if wanted is int else ''}number is needed")
    if wanted is str and not isinstance(value, str):
        raise UsageError(f"{key} = {value!r}; a text is needed, in quotes")
    if key in BOUNDS and not BOUNDS[key][0](value):
        raise UsageError(f"{key} = {value!r}; allowed is {BOUNDS[key][1]}")


def _check_needs(name: str, factory: Any, options: Mapping[str, Any]) -> None:
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    missing = [
        key
        for key, parameter in _parameters(factory).items()
        if parameter.default is inspect.Parameter.empty
        and parameter.kind in kinds
        and key not in options
        and key != "client_learning_rate"  # supplied
    ]
    if missing:
        raise UsageError(
            f"strategy {name!r} needs {', '.join(missing)}; give e.g. strategy_options = {{ {missing[0]} = 1 }}"
        )


def _check_nodes(name: str, options: Mapping[str, Any], nodes: int) -> None:
    """Robust rules make no model, or keep no promise, among too few nodes.

    Bulyan: n >= 4 f + 3 (El Mhamdi et al. 2018; Flower skips the round otherwise). Krum: n > 2 f + 2 (Blanchard et
    al. 2017), where there are malicious nodes at all.
    """
    malicious = options.get("num_malicious_nodes", 0)
    if not isinstance(malicious, int):
        return  # refused where options are checked
    needed = 4 * malicious + 3 if name == "bulyan" else 2 * malicious + 3 if malicious > 0 else 1
    if name in ("krum", "multikrum", "bulyan") and nodes < needed:
        raise UsageError(
            f"strategy {name!r} with num_malicious_nodes = {malicious} needs {needed} nodes or more, and {nodes} train "
            "in a round; add nodes or clients, or choose another strategy"
        )
    if (
        name == "multikrum"
        and isinstance(count := options.get("num_nodes_to_select", 1), int)
        and count > nodes
    ):
        raise UsageError(
            f"num_nodes_to_select = {count} is more than the {nodes} nodes that train in a round; lower it, or add "
            "nodes or clients"
        )
