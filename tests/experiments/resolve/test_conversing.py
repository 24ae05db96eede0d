"""Users with conversations: where their turns are, by seed and by a trace, and what is refused."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_node.config import TokenCosts
from experiments.errors import UsageError
from experiments.resolve import conversing as module
from experiments.resolve.conversing import busiest_turns, reading_j, turns_of
from experiments.resolve.resolve import resolve, resolve_single
from experiments.resolve.resolved import Resolved
from experiments.scenario.model import parse_scenario
from tests.language_model import fetched_model

HEAD = """name = "users"
policy = "{policy}"
[time]
slot_s = 100
[stages]
application = 6
[task]
name = "llm"
[task.llm]
path = "{model}"
context_tokens = {context}
"""
TAIL = """
[inference]
prompt_tokens = 40
answer_tokens = 10
{inference}
[limits]
{limits}
[fleet]
kind = "inprocess"
[[nodes]]
zone = "DE"
[[nodes]]
zone = "FR"
[[nodes]]
zone = "DE"
"""
Resolve = Callable[..., Resolved]


@pytest.fixture(scope="module")
def model() -> Path:
    return fetched_model()


@pytest.fixture
def resolved(model: Path) -> Resolve:
    def make(
        table: str = "[task.llm.conversations]\nusers = 2\nturns = 3\nmessage_tokens = 8",
        policy: str = "follow-cheaper",
        inference: str = 'arrivals = "conversations"',
        limits: str = "offload_cap_fraction = 1.0",
        context: int = 256,
    ) -> Resolved:
        head = HEAD.format(policy=policy, model=model, context=context)
        return resolve(parse_scenario(head + table + TAIL.format(inference=inference, limits=limits)))

    return make


def test_every_turn_begins_where_the_one_before_was_answered(resolved: Resolve) -> None:
    found = resolved()
    turns = turns_of(found.scenario, found.node_ids, found.stages, found.slot_s)
    assert len(turns) == 3 * 2 * 3
    places: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    for turn in turns:
        places[turn.conversation].append((turn.slot, turn.owner, turn.at))
        assert turn.slot * 100 <= turn.time_s < (turn.slot + 1) * 100
    for conversation, where in places.items():
        assert [slot for slot, _, _ in where] == list(range(where[0][0], where[0][0] + 3))
        assert where[0][1:] == (conversation // 2, conversation // 2)
        assert [owner for _, owner, _ in where[1:]] == [at for _, _, at in where[:-1]]
    assert any(turn.owner != turn.at for turn in turns)
    assert turns == turns_of(found.scenario, found.node_ids, found.stages, found.slot_s)
    most = max(
        sum(turn.slot == slot and node in (turn.owner, turn.at) for turn in turns)
        for slot in range(6)
        for node in range(3)
    )
    assert busiest_turns(turns) == most >= 2


def test_nodes_and_coordinator_are_told_the_same_turns(resolved: Resolve, tmp_path: Path) -> None:
    found = resolved()
    told = found.coordinator_config("run", tmp_path / "ledger").turns
    for config in found.node_configs("run", "", with_harvest=True):
        language = config.language
        assert language is not None
        assert language.conversations is not None
        own = [turn for turn in told if turn.owner == config.node_id]
        assert [turn.batch_id for turn in own] == list(range(len(own)))
        assert [(t.conversation, t.turn, t.at) for t in language.conversations.own] == [
            (t.conversation, t.turn, t.at) for t in own
        ]
        assert language.lengths == tuple((40 + 18 * turn.turn, 10) for turn in own)
        assert len(config.inference.times_s) == len(own)
        assert language.longest_tokens == 76
    later = [turn for turn in told if turn.turn]
    assert all(turn.cache_bytes == (40 + 18 * turn.turn - 9) * 23_040 for turn in later)
    assert all(turn.read_again_j > 0 for turn in later)
    assert all((turn.cache_bytes, turn.read_again_j) == (0, 0) for turn in told if not turn.turn)


def test_a_trace_says_where_users_are(resolved: Resolve, tmp_path: Path) -> None:
    path = tmp_path / "users.csv"
    path.write_text("user,slot,node_id\nann,0,n0\nbob,1,n1\nann,2,n2\nann,5,n2\n")
    found = resolved(f'[task.llm.conversations]\npath = "{path}"\nmessage_tokens = 8')
    turns = turns_of(found.scenario, found.node_ids, found.stages, found.slot_s)
    ann = [(t.slot, t.owner, t.at, t.turn) for t in turns if t.conversation == 0]
    assert ann == [(0, 0, 0, 0), (2, 0, 2, 1), (5, 2, 2, 2)]
    assert [(t.slot, t.owner, t.at) for t in turns if t.conversation == 1] == [(1, 1, 1)]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("user,slot\nann,0\n", "lacks the column node_id"),
        ("user,slot,node_id\nann,6,n0\n", "slot is 6 of user ann"),
        ("user,slot,node_id\nann,0.5,n0\n", "slot is 0.5 of user ann"),
        ("user,slot,node_id\nann,0,n7\n", "node_id names"),
        ("user,slot,node_id\nann,0,n0\nann,0,n1\n", "two turns in slot 0"),
    ],
)
def test_a_trace_that_is_none_is_refused(resolved: Resolve, tmp_path: Path, text: str, what: str) -> None:
    path = tmp_path / "users.csv"
    path.write_text(text)
    with pytest.raises(UsageError, match=what):
        resolved(f'[task.llm.conversations]\npath = "{path}"')


def test_reading_again_is_priced_by_calibrated_costs_where_there_are_any(resolved: Resolve) -> None:
    found = resolved()
    language, board = found.language, found.boards[0]
    assert language is not None
    counted = reading_j(language, board, 100)
    costs = TokenCosts(prefill_j=(0.5, 0.02, 1e-4), step_j=(0.0, 0.0, 0.0), watts=3.0)
    calibrated = language.model_copy(update={"costs": costs})
    assert reading_j(calibrated, board, 100) == pytest.approx(0.02 * 100 + 1e-4 * 100**2 / 2)
    assert counted > 0
    assert reading_j(language, board, 0) == reading_j(calibrated, board, 0) == 0


@pytest.mark.parametrize(("policy", "warns"), [("follow-cheaper", True), ("follow-prefill", False)])
def test_a_choice_by_counted_operations_has_a_warning(resolved: Resolve, policy: str, warns: bool) -> None:
    assert any("task.llm.costs" in text for text in resolved(policy=policy).warnings) is warns


TABLE = "[task.llm.conversations]\nturns = 3"


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"policy": "deta"}, "does not know where the users"),
        ({"policy": "local", "table": "", "inference": 'arrivals = "conversations"'}, "go together"),
        ({"inference": 'arrivals = "batches"'}, "go together"),
        ({"table": "", "inference": ""}, "and there are none"),
        ({"limits": "offload_cap_fraction = 0.5"}, "keeps turns from the nodes"),
        ({"limits": "offload_cap_fraction = 1.0\ndeadline_slots = 1"}, "would come after the next one"),
        ({"inference": 'arrivals = "conversations"\nrequests_per_batch = 4'}, "each turn is a batch"),
        ({"table": "[task.llm.conversations]\nturns = 7"}, "need 7 slots"),
        (
            {"table": "[task.llm.conversations]\nturns = 6\nmessage_tokens = 64"},
            "raise task.llm.context_tokens",
        ),
    ],
)
def test_what_cannot_be_is_refused(resolved: Resolve, changes: dict[str, str], what: str) -> None:
    with pytest.raises(UsageError, match=what) as refused:
        resolved(**({"table": TABLE} | changes))
    assert str(refused.value).count("scenario:") == 1


def test_answers_that_a_reading_has_no_room_for_are_refused(
    resolved: Resolve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten tokens an answer take thirty bytes at most; two users begin at each of three nodes in one slot."""
    table = "[task.llm.conversations]\nusers = 2\nturns = 6\nmove_probability = 0.0\nmessage_tokens = 8"
    monkeypatch.setattr(module, "MOST_ANSWER_BYTES", 60)
    assert resolved(table).batches_per_node == (2, 2, 2)
    monkeypatch.setattr(module, "MOST_ANSWER_BYTES", 59)
    with pytest.raises(
        UsageError, match=r"n0 may answer 2 turns in slot 0, with 10 tokens each: up to 60 bytes"
    ):
        resolved(table)


LEARNED = """name = "learned"
policy = "{policy}"
[stages]
preparation = 0
development = 2
application = 0
recycling = 0
[task]
data = "digits"
[fleet]
kind = "inprocess"
[[nodes]]
zone = "FR"
count = 3
"""


def test_a_single_run_that_learns_has_no_users_to_follow() -> None:
    scenario = parse_scenario(LEARNED.format(policy="follow-prefill"))
    with pytest.raises(
        UsageError, match=r"scenario:2: policy: policy follow-prefill follows users"
    ) as refused:
        resolve_single(scenario)
    assert "give inference.arrivals" in str(refused.value)
    assert any("it decides what local decides" in text for text in resolve(scenario).warnings)


def test_a_policy_that_follows_nobody_has_no_warning() -> None:
    found = resolve_single(parse_scenario(LEARNED.format(policy="deta")))
    assert not any("follows users" in text for text in found.warnings)
