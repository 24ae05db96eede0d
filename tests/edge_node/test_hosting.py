"""A board's part in one run: node, servers and an outbox that outlives a crash, but not the run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from carbon_data.types import DataError
from edge_node.adapters.flower_private import bundle_of
from edge_node.assignment import Assignment
from edge_node.board_file import BoardFile
from edge_node.config import AppConfig, DemandConfig, TaskConfig
from edge_node.hosting import HostedRun
from edge_node.tasks.data import images
from tests.boards.identities import Identities

DEMAND = DemandConfig(flop_per_batch=1e6, bytes_per_batch=10, batches=(1,) * 6)


@pytest.fixture
def board(tmp_path: Path) -> BoardFile:
    certificates = Identities(tmp_path).node("n0").certificates
    assert certificates is not None
    return BoardFile(
        node_id="n0", coordinator="127.0.0.1:1", certificates=certificates, folder=tmp_path / "state"
    )


def assigned(make_config: Callable[..., Any], session: str = "a" * 32, **changes: Any) -> Assignment:
    config = make_config(0, coordinator_address="127.0.0.1:1", **{"demand": DEMAND, **changes})
    return Assignment(session=session, run_number=7, node_number=2, config=config)


def test_an_outbox_stays_until_the_run_is_over(board: BoardFile, make_config: Callable[..., Any]) -> None:
    first = HostedRun(board, assigned(make_config))
    assert first.node.peer_address.startswith("127.0.0.1:")
    assert first.node.infer_address.startswith("127.0.0.1:")
    first.close(over=False)
    assert {path.name for path in board.folder.iterdir()} == {f"outbox-{'a' * 32}.sqlite"}
    HostedRun(board, assigned(make_config)).close(over=True)
    assert list(board.folder.iterdir()) == []


def test_another_run_has_an_outbox_of_its_own(board: BoardFile, make_config: Callable[..., Any]) -> None:
    HostedRun(board, assigned(make_config)).close(over=False)
    HostedRun(board, assigned(make_config, session="b" * 32)).close(over=False)
    assert {path.name for path in board.folder.iterdir()} == {f"outbox-{'b' * 32}.sqlite"}


def test_an_app_comes_to_a_board_that_allows_it_and_goes_with_its_run(
    board: BoardFile, make_config: Callable[..., Any]
) -> None:
    bundle = bundle_of(Path(__file__).parents[1] / "apps" / "plain")
    app = AppConfig(
        client_app="plain_app.client_app:app", sha256=hashlib.sha256(bundle).hexdigest(), partitions=1
    )
    sent = assigned(make_config, app=app).model_copy(update={"app": bundle})
    (letter,) = sent.to_letter()
    came = Assignment.from_letter(letter)
    with pytest.raises(ValueError, match=r'n0 executes no code that comes with a run; .*"apps": true'):
        HostedRun(board, came)
    allowing = board.model_copy(update={"apps": True})
    run = HostedRun(allowing, came)
    assert len(list(board.folder.glob("app-*"))) == 1
    run.close(over=True)
    assert list(board.folder.iterdir()) == []
    with pytest.raises(ValueError, match="came with sha256"):
        HostedRun(allowing, came.model_copy(update={"app": bundle + b"more"}))


def test_data_that_lack_are_named(
    board: BoardFile, make_config: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DETABED_DATA_DIR", str(tmp_path / "nothing"))
    images._load.cache_clear()  # another test of this process may have loaded it
    task = TaskConfig(
        name="mnist-mlp",
        data="mnist",
        batch_size=10,
        batches_per_slot=2,
        learning_rate=0.1,
        partitions=3,
        partition_index=0,
    )
    with pytest.raises(DataError, match="nothing"):
        HostedRun(board, assigned(make_config, demand=None, task=task))
