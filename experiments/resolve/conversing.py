"""Users with conversations (``inference.arrivals = "conversations"``): where each turn is asked, by seed or by a trace,
and what the nodes and the coordinator are told of it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from carbon_data.sources.table import read_table
from coordinator.config import TurnConfig
from edge_node.config import BoardConfig, ConversationConfig, InferenceConfig, LanguageConfig, UserTurn
from edge_node.energy.power_model import PowerModel
from edge_node.language.shape import Shape
from edge_node.language.step_cost import prefill_cost
from edge_node.serving.request_joules import MOST_ANSWER_BYTES
from edge_node.tasks.none import LANGUAGE
from experiments.errors import UsageError
from experiments.resolve.chosen_policy import follows_users
from experiments.scenario.work import ConversationsSpec, InferenceSpec
from protos.messages.terms import Stage

if TYPE_CHECKING:
    from experiments.resolve.resolved import Resolved
    from experiments.scenario.model import Scenario

CONVERSATIONS = "conversations"
MOVES, TIMES = 0xC0, 0xC1
"""Beside the seed: streams of randomness of their own, for where users go and for when they ask."""
USERS, TURNS = 1, 4
"""Where the scenario does not say."""
TOKEN_BYTES = 3
"""Of a token in a reading, at most: models have vocabularies of fewer than 2^21 tokens."""
NOT_WITH = ("batches_per_slot", "requests_per_batch", "max_wait_s", "requests_per_s", "load_fraction")
"""Keys of ``[inference]`` that say how many requests come, or which share a batch: each turn is a batch."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of one user."""

    slot: int
    owner: int
    """Number of the node that the user was at before; of the first turn, is at."""
    at: int
    conversation: int
    turn: int
    time_s: float = 0.0
    """When it is asked, seconds of slot time."""


def _nobody(scenario: Scenario) -> str:
    """Why a policy that follows users has none to follow; empty where it has, or follows nobody."""
    if not follows_users(scenario) or scenario.inference.arrivals == CONVERSATIONS:
        return ""
    return f"policy {scenario.policy} follows users with conversations, and there are none"


def refuse_follow(scenario: Scenario) -> None:
    """Raises UsageError, with its line, for a policy that has no users to follow."""
    with scenario.at("policy"):
        if why := _nobody(scenario):
            raise UsageError(
                f'{why}: give inference.arrivals = "{CONVERSATIONS}" and [task.llm.conversations] of task '
                f"{LANGUAGE}, or another policy"
            )


def nobody_to_follow(scenario: Scenario) -> tuple[str, ...]:
    """A warning where a comparison has such a policy."""
    why = _nobody(scenario)
    return (f"{why}: it decides what local decides",) if why else ()


def refuse_conversations(scenario: Scenario) -> None:
    """Raises UsageError for conversations that cannot be, and for what has no effect beside them."""
    spec, asked = scenario.task.llm.conversations, scenario.inference
    if (spec is not None) != (asked.arrivals == CONVERSATIONS):
        place = ("inference", "arrivals") if spec is not None else ("task", "llm")
        with scenario.at(*place):
            raise UsageError(
                f'inference.arrivals = "{CONVERSATIONS}" and the table [task.llm.conversations] go together; got '
                f'arrivals = "{asked.arrivals}" and {"no such" if spec is None else "the"} table: give both or neither'
            )
    if spec is None:
        refuse_follow(scenario)
        return
    if not follows_users(scenario):
        with scenario.at("policy"):
            raise UsageError(
                f"policy {scenario.policy} does not know where the users of conversations are; allowed are "
                "follow-prefill, follow-hand-over, follow-cheaper and policies with follows_users = True"
            )
    for key in NOT_WITH:
        if getattr(asked, key) != InferenceSpec.model_fields[key].default:
            with scenario.at("inference", key):
                raise UsageError(
                    f'{key} has no effect with arrivals = "{CONVERSATIONS}", where each turn is a batch; remove it'
                )
    if scenario.limits.offload_cap_fraction < 1.0:
        with scenario.at("limits", "offload_cap_fraction"):
            raise UsageError(
                f"offload_cap_fraction = {scenario.limits.offload_cap_fraction:g} keeps turns from the nodes that "
                "their users are at; with conversations give 1.0"
            )
    if scenario.limits.deadline_slots:
        with scenario.at("limits", "deadline_slots"):
            raise UsageError(
                "a turn that waits for a later slot would come after the next one; with conversations give "
                "deadline_slots = 0"
            )


def uncalibrated(scenario: Scenario) -> tuple[str, ...]:
    """A warning where reading again is priced by counted operations, and a policy chooses by its price."""
    if scenario.policy != "follow-cheaper" or scenario.task.llm.costs is not None:
        return ()
    return (
        "follow-cheaper prices reading again by counted operations at the board's speed in training, which makes it "
        "look many times dearer than it is: calibrate (detabed calibrate METER --task llm) and give task.llm.costs",
    )


def turns_of(
    scenario: Scenario, names: Sequence[str], stages: Sequence[Stage], slot_s: float
) -> tuple[Turn, ...]:
    """All turns of the run, in the order of slots, owners and their batches. Raises UsageError."""
    spec = scenario.task.llm.conversations
    assert spec is not None  # with these arrivals
    slots = [slot for slot, stage in enumerate(stages) if stage is Stage.APPLICATION]
    with scenario.at("task", "llm", "conversations"):
        if spec.path is not None:
            places = _traced(spec.path, names, len(slots))
        else:
            places = _drawn(spec, len(names), len(slots), scenario.seed)
    turns = [
        Turn(slots[slot], where[max(0, k - 1)][1], at, conversation, k)
        for conversation, where in enumerate(places)
        for k, (slot, at) in enumerate(where)
    ]
    # Of one owner and executor the longest first: caches are handed over from the first one on.
    turns.sort(key=lambda t: (t.slot, t.owner, t.at != t.owner, t.at, -t.turn, t.conversation))
    return tuple(_timed(turns, slot_s, scenario.seed))


def _drawn(spec: ConversationsSpec, nodes: int, slots: int, seed: int) -> list[list[tuple[int, int]]]:
    """Of every conversation the (slot, node) of its turns."""
    users, turns = spec.users or USERS, spec.turns or TURNS
    last = (turns - 1) * spec.every_slots
    if last >= slots:
        raise UsageError(
            f"{turns} turns, one in {spec.every_slots} slots, need {last + 1} slots of application, there are {slots}: "
            "lengthen stages.application, or lower turns or every_slots"
        )
    if nodes < 2 and spec.move_probability > 0:
        raise UsageError("users cannot move in a fleet of one node: give move_probability = 0, or more nodes")
    found = []
    for conversation in range(nodes * users):
        draw = np.random.default_rng((seed, MOVES, conversation))
        first, at, where = int(draw.integers(slots - last)), conversation // users, []
        for k in range(turns):
            if k and draw.random() < spec.move_probability:
                at = (at + int(draw.integers(1, nodes))) % nodes
            where.append((first + k * spec.every_slots, at))
        found.append(where)
    return found


def _traced(path: Path, names: Sequence[str], slots: int) -> list[list[tuple[int, int]]]:
    """Likewise, of a trace."""
    table = read_table(path)
    if lacking := [name for name in ("user", "slot", "node_id") if name not in table.columns]:
        raise UsageError(
            f"{path} lacks the column {lacking[0]}; a trace of users has user, slot (of the application stage, from 0) "
            "and node_id, a row for each turn"
        )
    users, nodes = table.frame["user"].astype(str), table.frame["node_id"].astype(str)
    if strangers := sorted(set(nodes) - set(names)):
        raise UsageError(f"{path}: node_id names {strangers[:5]}; nodes are {', '.join(names[:20])}")
    found: dict[str, dict[int, int]] = defaultdict(dict)
    place = {name: k for k, name in enumerate(names)}
    for user, slot, node in zip(users, table.numbers("slot").tolist(), nodes, strict=True):
        if slot != slot or int(slot) != slot or not 0 <= slot < slots:
            raise UsageError(
                f"{path}: slot is {slot:g} of user {user}; allowed are whole numbers from 0 to {slots - 1}"
            )
        if int(slot) in found[user]:
            raise UsageError(f"{path}: user {user} has two turns in slot {slot:g}; allowed is one a slot")
        found[user][int(slot)] = place[node]
    if not found:
        raise UsageError(f"{path} has no turns")
    return [sorted(turns.items()) for turns in found.values()]


def _timed(turns: Sequence[Turn], slot_s: float, seed: int) -> list[Turn]:
    """With times: those of an owner's slot ascend in the order of its turns."""
    found = []
    counts = Counter((turn.slot, turn.owner) for turn in turns)
    times = {
        (slot, owner): iter(
            sorted((slot + np.random.default_rng((seed, TIMES, slot, owner)).random(count)) * slot_s)
        )
        for (slot, owner), count in counts.items()
    }
    for turn in turns:
        time_s = float(next(times[turn.slot, turn.owner]))
        found.append(Turn(turn.slot, turn.owner, turn.at, turn.conversation, turn.turn, time_s))
    return found


def busiest_turns(turns: Sequence[Turn]) -> int:
    """Most turns that a node may answer in a slot."""
    return max(_by_slot_and_node(turns).values())


def _by_slot_and_node(turns: Sequence[Turn]) -> Counter[tuple[int, int]]:
    """Turns that a node may answer: by the node that has the conversation, or where the user is."""
    return Counter((turn.slot, node) for turn in turns for node in {turn.owner, turn.at})


def _refuse_long_answers(
    scenario: Scenario, turns: Sequence[Turn], answer_tokens: int, names: Sequence[str]
) -> None:
    """Raises UsageError for answers that a reading may have no room for: the ledger would lack them."""
    (slot, node), most = max(_by_slot_and_node(turns).items(), key=lambda item: item[1])
    size = most * answer_tokens * TOKEN_BYTES
    if size <= MOST_ANSWER_BYTES:
        return
    with scenario.at("task", "llm", "conversations"):
        raise UsageError(
            f"{names[node]} may answer {most} turns in slot {slot}, with {answer_tokens} tokens each: up to {size} "
            f"bytes of answers, and a reading brings {MOST_ANSWER_BYTES} to the ledger, from which conversations go on "
            f"after a kill. At most {MOST_ANSWER_BYTES // (answer_tokens * TOKEN_BYTES)} turns of this length may come "
            "together at a node in a slot: lower users or inference.answer_tokens, raise every_slots, or give more "
            "nodes"
        )


def with_turns(
    scenario: Scenario,
    common: InferenceConfig,
    language: LanguageConfig,
    turns: Sequence[Turn],
    names: Sequence[str],
) -> tuple[tuple[InferenceConfig, ...], tuple[LanguageConfig | None, ...]]:
    """Configuration of every node. Raises UsageError for conversations that the context has no room for."""
    spec = scenario.task.llm.conversations
    assert spec is not None
    told = ConversationConfig(
        first_tokens=language.prompt_tokens,
        message_tokens=spec.message_tokens,
        answer_tokens=language.answer_tokens,
    )
    longest = told.prompt_tokens(max(turn.turn for turn in turns))
    if longest + told.answer_tokens > language.context_tokens:
        with scenario.at("task", "llm", "conversations"):
            raise UsageError(
                f"the longest conversation has {longest} tokens of prompt and {told.answer_tokens} of answer, the "
                f"context {language.context_tokens}: raise task.llm.context_tokens, or lower turns or tokens"
            )
    _refuse_long_answers(scenario, turns, told.answer_tokens, names)
    mean = round(sum(told.prompt_tokens(turn.turn) for turn in turns) / len(turns))
    whole = language.model_copy(update={"longest_tokens": longest, "prompt_tokens": mean})
    inference, languages = [], []
    for node in range(len(names)):
        own = [turn for turn in turns if turn.owner == node]
        begins = tuple(UserTurn(conversation=t.conversation, turn=t.turn, at=names[t.at]) for t in own)
        lengths = tuple((told.prompt_tokens(turn.turn), told.answer_tokens) for turn in own)
        inference.append(
            common.model_copy(
                update={
                    "arrivals": "times",
                    "times_s": tuple(turn.time_s for turn in own),
                    "requests_per_batch": 1,
                    "batching": "alone",
                }
            )
        )
        conversations = told.model_copy(update={"own": begins})
        languages.append(whole.model_copy(update={"lengths": lengths, "conversations": conversations}))
    return tuple(inference), tuple(languages)


def coordinator_turns(resolved: Resolved) -> tuple[TurnConfig, ...]:
    """What the coordinator is told: who is where, and what a cache and reading again take."""
    language, scenario = resolved.language, resolved.scenario
    if language is None or language.conversations is None:
        return ()
    told, names = language.conversations, resolved.node_ids
    numbers: Counter[int] = Counter()
    found = []
    for turn in turns_of(scenario, names, resolved.stages, resolved.slot_s):
        history = told.history_tokens(turn.turn)
        found.append(
            TurnConfig(
                slot=turn.slot,
                owner=names[turn.owner],
                batch_id=numbers[turn.owner],
                conversation=turn.conversation,
                turn=turn.turn,
                at=names[turn.at],
                asked_s=turn.time_s,
                cache_bytes=history * language.cache_bytes_per_token,
                read_again_j=reading_j(language, resolved.boards[turn.at], history),
            )
        )
        numbers[turn.owner] += 1
    return tuple(found)


def reading_j(language: LanguageConfig, board: BoardConfig, tokens: int) -> float:
    """Above static power: of reading so many tokens more. By the calibrated costs where there are any, else counted."""
    if language.costs is not None:
        return max(
            0.0, prefill_cost(language.costs.prefill_j, tokens) - prefill_cost(language.costs.prefill_j, 0)
        )
    shape = Shape(language.block_parameters, language.output_parameters, language.attention_width)
    return PowerModel(board).compute_j(shape.prefill_flop(tokens) - shape.prefill_flop(0))
