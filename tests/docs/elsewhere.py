"""Commands of the documentation that the suite does not execute, each with its reason. They are parsed all the same."""

from __future__ import annotations

BOARD = "needs a board, and ssh or a network to it; tests/boards does it on hosts of network namespaces"
SENSOR = "needs a sensor or a board that sleeps; tests/edge_node/meters and tests/experiments/commands do it with fakes"
INSTALLS = "installs packages: continuous integration does it on a clean clone"
BROKEN_OFF = "needs a run that was broken off; tests/e2e/test_resume.py does it"
SERVES = "needs a run that serves meanwhile; tests/e2e/test_serving.py does it"
KEY = (
    "needs a service on the internet and its key; tests/e2e/test_live_carbon.py does it with replayed answers"
)
TOKENS = "serves until it is ended; tests/experiments/commands/test_tree_probe.py does both"
TUNES = "takes minutes; tests/edge_node/tasks/lora and tests/experiments/commands/test_tree_adapter.py do its parts"
STUDY = "a study of minutes; its cells are tested in tests/experiments/studies"

ELSEWHERE: dict[str, str] = {
    "make demo": INSTALLS,
    "make test": INSTALLS,
    "make board": INSTALLS,
    "source .venv/bin/activate": INSTALLS,
    ". .venv/bin/activate": INSTALLS,
    "detabed resume runs/": BROKEN_OFF,
    "detabed compare --resume runs/": BROKEN_OFF,
    "detabed sweep --resume runs/": "needs a sweep that was broken off; tests/experiments/sweep does it",
    "detabed sweep my.toml --set limits.offload_cap_fraction=0:1:0.05 --seeds 20 --ray ": "needs other machines; "
    "tests/boards/test_sweep_on_ray.py does it on hosts of network namespaces",
    "detabed watch runs/demo-deta-s0-001 --page": "shows a page until Ctrl-C; tests/e2e/test_live_page.py does it",
    "detabed meter test ": SENSOR,
    "detabed calibrate ": SENSOR,
    "detabed sleep test ": SENSOR,
    "detabed twin runs/hour": "needs a run with sensors; tests/docs/test_twin.py runs the page's scenario and its twin",
    "detabed reproduce ": STUDY,
    "detabed run my.toml --serve-for 60": SERVES,
    "detabed run my.toml --fleet ray --serve-for 60": SERVES,
    "detabed infer ": SERVES,
    "detabed run llm ": "serves a model that is 98 MB; tests/e2e/test_language_model.py does it",
    "detabed compare llm ": "likewise; tests/e2e/test_language_model.py reads on one node and answers on another",
    "detabed compare llm-users ": "likewise; tests/e2e/test_conversations.py runs its three policies",
    "detabed tree serve": TOKENS,
    "detabed tree probe ": TOKENS,
    "detabed data fetch smollm2-135m": "downloads 98 MB; tests that serve the model fetch it",
    "pip install 'detabed[llm]'": INSTALLS,
    "pip install 'detabed[lora]'": INSTALLS,
    "detabed run lora": TUNES,
    "detabed tree adapter ": TUNES,
    "detabed cluster invite ": BOARD,
    "detabed node join ": BOARD,
    "detabed cluster revoke ": BOARD,
    "detabed cluster push": BOARD,
    "detabed cluster check": BOARD,
    "detabed cluster up": BOARD,
    "detabed cluster status": BOARD,
    "detabed cluster down": BOARD,
    "detabed run hour.toml": BOARD,
    "detabed check hour.toml": BOARD,
    "detabed ledger verify runs/hour": BOARD,
    "detabed check first.toml && detabed run first.toml": BOARD,
    "sudo nmcli connection ": BOARD,
    "for k in 0 1 2": BOARD,
    "detabed check my.toml --connect": KEY,
    "detabed run my.toml                                        # live": KEY,
    "detabed run runs/my-deta-s0-001/recorded.toml": KEY,
    "detabed compare runs/my-deta-s0-001/recorded.toml": KEY,
    "python -m pytest tests/reliability/test_simulation.py --long": "a count of hours",
    "python -m tests.reliability.simulation --seeds 0 1000": "a count of an hour",
}
"""Reason by how the command begins."""

LONG: tuple[str, ...] = (
    "detabed simulate energy.toml --days 365",
    "detabed sweep my.toml ",
    "detabed compare demo --policies local,deta --seeds 3 --fleet inprocess",
    "detabed report runs/demo-compare-001 --paper",
    "python -m tests.reliability.simulation --seed 2",
)
"""Executed with ``--long`` only, by how the command begins."""


def beginning(command: str, known: dict[str, str] | tuple[str, ...]) -> str | None:
    """The entry of ``known`` with which ``command`` begins: the longest, else None."""
    return max((start for start in known if command.startswith(start)), key=len, default=None)
