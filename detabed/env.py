"""Environments for learning: ``CoordinatorEnv`` (Gymnasium) and ``MarketEnv`` (PettingZoo, parallel).

They need the extra ``env``: ``pip install 'detabed[env]'``. Like the package, this module holds names and no logic.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from experiments.environments.coordinator_env import CoordinatorEnv
    from experiments.environments.market_env import MarketEnv

__all__ = ["CoordinatorEnv", "MarketEnv"]

_WHERE = {
    "CoordinatorEnv": "experiments.environments.coordinator_env",
    "MarketEnv": "experiments.environments.market_env",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'detabed.env' has no attribute {name!r}; it has {', '.join(__all__)}")
    try:
        found = importlib.import_module(_WHERE[name])
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("gymnasium", "pettingzoo"):
            raise
        raise ImportError(
            f"detabed.env.{name} needs {error.name}, which is not installed: pip install 'detabed[env]'"
        ) from error
    globals()[name] = value = getattr(found, name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
