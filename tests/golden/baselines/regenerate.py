"""Writes what the published originals decide on the inputs of ``worlds.py``: regenerate.py ORIGINALS [oort|lowcarb|...]

ORIGINALS is a folder with the checkouts named in ``SOURCES``, side by side. Run it in an environment of its own, with
the originals' libraries: Python 3.11, numpy 1.23, pandas 1.5 and gurobipy (its size-limited licence is enough). Nothing
of the originals is kept but their decisions. What is changed in them to run: FedZero's settings (steps and length of a
round, clients) are those of each input, its load and energy interfaces are arrays, and vessim's data loader, which is
not needed then, is left out."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import json
import sys
import types
from collections.abc import Callable
from contextlib import redirect_stdout
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
SOURCES = {
    "oort": {
        "folder": "FedScale",
        "repository": "github.com/SymbioticLab/FedScale, thirdparty/oort",
        "commit": "7ec441c2afa99510535adebe155d89fa8bb2c637",
        "licence": "Apache-2.0",
    },
    "lowcarb": {
        "folder": "flwr-lowcarb",
        "repository": "github.com/birnbaum/flwr-lowcarb, lowcarb/_strategy.py",
        "commit": "8edf376218028328a04f2789fdd077a73a20f598",
        "licence": "MIT",
    },
    "fedzero": {
        "folder": "fedzero",
        "repository": "github.com/dos-group/fedzero, fedzero/",
        "commit": "1c8ae6a352edab167718ac46b3a8745222cd050d",
        "licence": "MIT",
    },
}
OORT_SIZES = ((10, 3), (20, 5), (100, 10))
"""(nodes, nodes per round)."""
OORT_ROUNDS, OORT_SEEDS, OORT_EXACT = 200, 600, 6
LOWCARB_INPUTS = FEDZERO_INPUTS = FEDZERO_STEPS = 1000
FEDZERO_RUNS, RUN_SLOTS = 60, 48


def load(path: Path) -> types.ModuleType:
    """The module in a file, without its package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


WORLDS = load(HERE / "worlds.py")


def digest(picks: Any) -> str:
    """Of a run's selections."""
    return hashlib.sha256(json.dumps(picks).encode()).hexdigest()[:16]


# --- Oort ------------------------------------------------------------------------------------------------------


def oort(folder: Path) -> dict[str, Any]:
    """Mean share of rounds in which each client was selected, and digests of the first seeds' selections."""
    module = importlib.import_module("thirdparty.oort.oort")
    options = types.SimpleNamespace(
        exploration_factor=0.9,
        exploration_decay=0.98,
        exploration_min=0.3,
        exploration_alpha=0.3,
        round_threshold=30,
        round_penalty=2.0,
        clip_bound=0.9,
        cut_off_util=0.05,
        pacer_delta=5,
        pacer_step=20,
        sample_window=5.0,
        blacklist_rounds=-1,
        blacklist_max_len=0.3,
    )
    record: dict[str, Any] = {
        "rounds": OORT_ROUNDS,
        "seeds": OORT_SEEDS,
        "options": vars(options),
        "sizes": [],
    }
    for nodes, count in OORT_SIZES:
        runs = [_oort_run(module, options, nodes, count, seed) for seed in range(OORT_SEEDS)]
        shares = np.mean([[sum(i in p for p in picks) for i in range(nodes)] for picks in runs], axis=0)
        record["sizes"].append(
            {
                "nodes": nodes,
                "per_round": count,
                "frequency": [round(float(share) / OORT_ROUNDS, 5) for share in shares],
                "digests": [digest(picks) for picks in runs[:OORT_EXACT]],
            }
        )
    return record


def _oort_run(module: Any, options: Any, nodes: int, count: int, seed: int) -> list[list[int]]:
    """As FedScale's client manager and aggregator call the selector: a random first round, feedback of every client
    that was selected, stamped with the round. Without over-commitment, hence without stragglers."""
    world = WORLDS.OortWorld.of(nodes)
    selector = module._training_selector(options, sample_seed=seed)
    for i in range(nodes):
        selector.register_client(i, {"reward": float(world.size[i]), "duration": float(world.duration_s[i])})
    trained, picks = np.zeros(nodes, dtype=np.int64), []
    for number in range(1, OORT_ROUNDS + 1):
        if number == 1:
            chosen = np.random.choice(nodes, count, replace=False)  # noqa: NPY002
        else:
            chosen = selector.select_participant(count, feasible_clients=set(range(nodes)))
        picks.append(sorted({int(i) for i in chosen}))
        trained[picks[-1]] += 1
        utility = world.size * np.sqrt(world.loss(trained) ** 2)
        for i in picks[-1]:
            feedback = {
                "reward": float(utility[i]),
                "duration": float(world.duration_s[i]),
                "time_stamp": number,
                "status": True,
            }
            selector.update_client_util(i, feedback)
    return picks


# --- Lowcarb ---------------------------------------------------------------------------------------------------


def lowcarb(folder: Path) -> dict[str, Any]:
    """The clients selected for each input, in order."""
    strategy = load(folder / "lowcarb" / "_strategy.py").CarbonAwareStrategy
    decisions = []
    for seed in range(LOWCARB_INPUTS):
        given = WORLDS.LowcarbInput.of(seed)
        clients = range(len(given.participations))
        chosen = strategy(num_clients=given.count, max_forecast_duration=given.longest).select(
            forecasts={str(i): [float(c) for c in given.intensity[i]] for i in clients},
            past_participation={i: int(given.participations[i]) for i in clients},
            client_location_map={i: str(i) for i in clients},
        )
        decisions.append([int(i) for i in chosen])
    return {"inputs": LOWCARB_INPUTS, "decisions": decisions}


# --- FedZero ---------------------------------------------------------------------------------------------------

NOW = datetime(2024, 6, 1)


class _Energy:
    """The original's interface to power domains over an array (domains, T), slots from ``first`` on."""

    def __init__(self, energy_j: Any, step_min: int, first: int = 0) -> None:
        self._energy_j, self._step_min, self._first = energy_j, step_min, first
        self.zones = [f"zone-{k}" for k in range(len(energy_j))]

    def _at(self, when: datetime) -> int:
        return int((when - NOW).total_seconds() // 60) // self._step_min + self._first

    def actual(self, when: datetime, zone: str) -> float:
        return float(self._energy_j[int(zone[5:]), self._at(when)])

    def forecast(self, when: datetime, duration_in_timesteps: int, zone: str) -> Any:
        import pandas

        begin = self._at(when)
        return pandas.Series(self._energy_j[int(zone[5:]), begin : begin + duration_in_timesteps])


class _Load:
    """The original's interface to clients of constant capacity."""

    def __init__(self, clients: list[Any]) -> None:
        self._clients = clients

    def get_clients(self, zones: list[str] | None = None) -> list[Any]:
        return [client for client in self._clients if zones is None or client.zone in zones]

    def actual(self, when: datetime, name: str) -> float:
        return float(next(c for c in self._clients if c.name == name).batches_per_timestep)

    def forecast(self, when: datetime, duration_in_timesteps: int, client_name: str) -> Any:
        import pandas

        return pandas.Series([self.actual(when, client_name)] * duration_in_timesteps)


def _clients(domain: Any, epoch: Any, joules: Any, capacity: Any, samples: Any) -> list[Any]:
    """Clients of the original; hashed by their index, so that its sets have a defined order."""
    original = importlib.import_module("fedzero.entities").Client

    class Client(original):  # type: ignore[misc]
        def __hash__(self) -> int:
            return self.index

    found = []
    for i in range(len(domain)):
        client = Client(f"c{i:03d}", f"zone-{domain[i]}", float(capacity[i]), float(joules[i]))
        client.index, client.num_samples = i, int(samples[i])
        if client.batches_per_epoch != epoch[i]:
            raise ValueError(f"{samples[i]} samples are {client.batches_per_epoch} batches, not {epoch[i]}")
        found.append(client)
    return found


def _setting(step_min: int, longest: int, count: int) -> None:
    for name in ("fedzero.config", "fedzero.selection_strategy", "fedzero.runtime_optimization"):
        module = importlib.import_module(name)
        for key, value in (
            ("TIMESTEP_IN_MIN", step_min),
            ("MAX_ROUND_IN_MIN", step_min * longest),
            ("CLIENTS_PER_ROUND", count),
        ):
            if hasattr(module, key):
                setattr(module, key, value)


def _strategy(clients: list[Any], count: int, alpha: float, exclusion: float) -> Any:
    module = importlib.import_module("fedzero.selection_strategy")
    judge = importlib.import_module("fedzero.utility").StatUtilityJudge(clients)
    return module.FedZeroSelectionStrategy(count, judge, alpha, exclusion, 1, 5, seed=0)


def fedzero(folder: Path) -> dict[str, Any]:
    """Selections, divisions of a slot's energy, and whole runs."""
    vessim = types.ModuleType("vessim.signal")
    vessim.HistoricalSignal = object  # type: ignore[attr-defined]
    sys.modules |= {"vessim": types.ModuleType("vessim"), "vessim.signal": vessim}
    return {
        "inputs": FEDZERO_INPUTS,
        "selections": [_selection(seed) for seed in range(FEDZERO_INPUTS)],
        "steps": [_step(seed) for seed in range(FEDZERO_STEPS)],
        "runs": [_run(seed) for seed in range(FEDZERO_RUNS)],
    }


def _selection(seed: int) -> list[int] | None:
    """[slots of the round, clients ...]; None where none is feasible."""
    given = WORLDS.FedZeroInput.of(seed)
    clients = _clients(
        given.domain, given.epoch_batches, given.joules_per_batch, given.capacity, given.examples
    )
    for client, utility in zip(clients, given.utility, strict=True):
        if np.isfinite(utility):
            client.record_statistical_utility(0, float(utility))
    _setting(1, given.energy_j.shape[1], given.count)
    strategy = _strategy(clients, given.count, 0.0, 0.0)
    strategy.excluded_clients = [clients[i] for i in given.blocked]
    found = strategy.select(_Energy(given.energy_j, 1), _Load(clients), 5, NOW)
    return None if found is None else [len(found.columns), *(client.index for client in found.index)]


def _step(seed: int) -> list[list[float]]:
    """Batches of each client in one slot: as the original divides, and as it does when the second division is told
    what the first has left; the second list only where they differ."""
    given = WORLDS.FedZeroStep.of(seed)
    module = importlib.import_module("fedzero.runtime_optimization")
    clients = _clients(
        np.zeros(len(given.done), int),
        given.epoch_batches,
        given.joules_per_batch,
        given.capacity,
        given.epoch_batches * 10,
    )
    source = inspect.getsource(module._execute_power_domain_timestep)
    whole = "_attribute_power(MAX_LOCAL_EPOCHS, participation, available_energy, max_batches)"
    if source.count(whole) != 1:
        raise ValueError("the original divides in another way than it did")
    scope: dict[str, Any] = dict(vars(module))
    exec(source.replace(whole, whole.replace("available_energy", "remaining_energy")), scope)
    results = []
    for divide in (module._execute_power_domain_timestep, scope["_execute_power_domain_timestep"]):
        done = {client: float(d) for client, d in zip(clients, given.done, strict=True)}
        below = [c for c, d in done.items() if d < 5 * c.batches_per_epoch]
        room = {c: int(min(c.batches_per_timestep, 5 * c.batches_per_epoch - d)) for c, d in done.items()}
        after = divide(below, done, given.energy_j, room) if below else done
        results.append([round(float(after[c] - d), 4) for c, d in zip(clients, given.done, strict=True)])
    return results[:1] if np.allclose(*results, atol=2e-3) else results


def _run(seed: int) -> list[list[Any]]:
    """Rounds of a run: [first slot, slots, [client, batches], ...]."""
    given = WORLDS.FedZeroRun.of(seed)
    nodes, step_min = len(given.epoch_batches), int(given.slot_s // 60)
    clients = _clients(
        np.arange(nodes), given.epoch_batches, given.joules_per_batch, given.capacity, given.examples
    )
    _setting(step_min, given.horizon, given.count)
    strategy = _strategy(clients, given.count, given.alpha, given.exclusion)
    energy_j = given.energy_batches * given.joules_per_batch[:, None]
    execute = importlib.import_module("fedzero.runtime_optimization").execute_round
    number, slot, rounds = 1, 0, []
    while slot < RUN_SLOTS:
        now = NOW + timedelta(minutes=step_min * slot)
        selection = strategy.select(_Energy(energy_j, step_min), _Load(clients), number, now)
        if selection is None:
            slot += 1
            continue
        before = [client.participated_batches for client in clients]
        # the selection's first column is the slot after now in the original's time: one slot back in ours
        finished, length = execute(_Energy(energy_j, step_min, -1), _Load(clients), selection, 1, 5)
        for client in clients:
            if client.name in finished:
                loss = given.utility[client.index, number] / client.num_samples
                client.record_statistical_utility(number, client.num_samples * float(np.sqrt(loss**2)))
        slots = int(length.total_seconds() // 60) // step_min
        worked = [
            [c.index, int(c.participated_batches - b)]
            for c, b in zip(clients, before, strict=True)
            if any(c is member for member in selection.index)
        ]
        rounds.append([slot, slots, *worked])
        number, slot = number + 1, slot + slots
    return rounds


def main(folder: Path, wanted: list[str]) -> None:
    writers: dict[str, Callable[[Path], dict[str, Any]]] = {
        "oort": oort,
        "lowcarb": lowcarb,
        "fedzero": fedzero,
    }
    for name in wanted or list(writers):
        source = {key: value for key, value in SOURCES[name].items() if key != "folder"}
        checkout = folder / SOURCES[name]["folder"]
        sys.path.insert(0, str(checkout))
        with redirect_stdout(StringIO()):
            record = writers[name](checkout)
        text = json.dumps({"original": source} | record, separators=(",", ":"))
        (HERE / f"{name}.json").write_text(text + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
