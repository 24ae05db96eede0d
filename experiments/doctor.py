"""What this machine offers to a run."""

from __future__ import annotations

from typing import Any


def examine() -> dict[str, Any]:
    """Versions, cores, isolation, data, and the listeners of this process tree that others could reach."""
    from carbon_data.datasets import data_dir, status
    from experiments.fleet.isolation import exposed, is_isolated, listeners
    from experiments.resolve import cpu_count
    from experiments.run import versions

    rows = status()
    return {
        "cores": cpu_count(),
        "network namespace with nothing but loopback": is_isolated(),
        "listeners beyond loopback": [str(listener) for listener in exposed(listeners())],
        "data folder": str(data_dir()),
        "data files": {row.dataset.name: row.state.value for row in rows},
        **{f"version of {name}": version for name, version in versions().items()},
    }
