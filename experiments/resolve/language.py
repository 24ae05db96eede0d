"""Runs that serve a language model (``task.name = "llm"``): what they refuse, the model, the lengths of requests."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from edge_node.config import BoardConfig, LanguageConfig, TaskConfig, TokenCosts
from edge_node.language.calibrated import calibrated_cost
from edge_node.language.model_file import ModelFile, model_file
from edge_node.language.shape import Shape, shape_of
from edge_node.tasks.none import LANGUAGE
from experiments.errors import UsageError
from experiments.resolve.chosen_policy import chosen_traits
from experiments.resolve.conversing import refuse_conversations
from experiments.resolve.request_trace import Requests
from experiments.resolve.server_memory import refuse_without_memory
from experiments.resolve.token_costs import token_costs
from experiments.scenario.model import Scenario
from experiments.scenario.work import InferenceSpec, LanguageSpec, TaskSpec
from protos.messages.terms import Stage

EXTRA = "llm"
TASK_KEYS = ("name", "data", "llm", "round_deadline_s")
"""Keys of ``[task]`` that a run of a language model may have."""
INFERENCE_KEYS = ("prompt_tokens", "answer_tokens", "shared_tokens", "tokens_fraction")
"""Keys of ``[inference]`` that only such a run may have."""
MAX_REQUESTS_PER_SLOT = 1000
"""That may come together at one node on average: a reading names every request, and has 256 KiB at most."""

MOST_COST = 1e9
"""Joules or seconds of a request (choice): thirty years."""


def serves_language(scenario: Scenario) -> bool:
    return scenario.task.name == LANGUAGE


def refuse_unserved(scenario: Scenario) -> None:
    """Raises UsageError for what has no effect where a language model is served, or has none elsewhere."""
    if not serves_language(scenario):
        _refuse_language(scenario)
        return
    for stage in (Stage.PREPARATION, Stage.DEVELOPMENT, Stage.RECYCLING):
        if getattr(scenario.stages, stage.value):
            with scenario.at("stages", stage.value):
                raise UsageError(
                    f'a run with task.name = "{LANGUAGE}" serves a model that is finished, in slots of application: '
                    f"nodes would have no work in {getattr(scenario.stages, stage.value)} slots of {stage.value}. "
                    f"Remove {stage.value}, or choose a task that is learned"
                )
    if scenario.inference.services:
        with scenario.at("inference", "services", 0):
            raise UsageError(
                f'with task.name = "{LANGUAGE}" nodes serve the language model alone; remove the service'
            )
    for key, field in TaskSpec.model_fields.items():
        if key not in TASK_KEYS and getattr(scenario.task, key) != field.default:
            with scenario.at("task", key):
                raise UsageError(
                    f'{key} has no effect with name = "{LANGUAGE}", where nothing is learned; remove it'
                )
    refuse_conversations(scenario)
    if importlib.util.find_spec("xllamacpp") is None or importlib.util.find_spec("gguf") is None:
        with scenario.at("task", "name"):
            raise UsageError(
                f"a language model needs packages that are not here: pip install 'detabed[{EXTRA}]'"
            )


def _refuse_language(scenario: Scenario) -> None:
    if scenario.inference.arrivals == "conversations":
        with scenario.at("inference", "arrivals"):
            raise UsageError(
                f'arrivals = "conversations" is for task.name = "{LANGUAGE}"; choose other arrivals'
            )
    if scenario.task.llm != LanguageSpec():
        with scenario.at("task", "llm"):
            raise UsageError(
                f'[task.llm] is for task.name = "{LANGUAGE}"; with task {scenario.task.name} remove the table'
            )
    for key in INFERENCE_KEYS:
        if getattr(scenario.inference, key) != InferenceSpec.model_fields[key].default:
            with scenario.at("inference", key):
                raise UsageError(
                    f'{key} is for task.name = "{LANGUAGE}"; remove it (a service has its own in '
                    "[[inference.services]])"
                )
    if scenario.inference.arrivals == "trace" and scenario.inference.requests_per_s is not None:
        with scenario.at("inference", "requests_per_s"):
            raise UsageError(
                f'requests_per_s stretches a trace for task.name = "{LANGUAGE}" alone; remove it: the trace says when '
                "requests come"
            )


def language_of(scenario: Scenario) -> LanguageConfig:
    """The model as the scenario names it, found on this machine. Raises UsageError and DataError."""
    spec, asked = scenario.task.llm, scenario.inference
    with scenario.at("task", "llm", "path"):
        found = model_file(spec.path, spec.sha256)
        shape = _shape(found)
    if scenario.task.data not in ("auto", found.name):
        with scenario.at("task", "data"):
            raise UsageError(
                f'data = "{scenario.task.data}" has no effect with name = "{LANGUAGE}": the model is {found.name}; '
                "remove it, or name the file in task.llm.path"
            )
    # Nodes on other machines have data folders of their own.
    elsewhere = scenario.fleet.kind == "daemons" or scenario.fleet.address is not None
    config = LanguageConfig(
        path="" if elsewhere and spec.path is None else str(found.path),
        sha256=found.sha256,
        model=found.name,
        threads=spec.threads,
        at_once=spec.at_once,
        context_tokens=spec.context_tokens,
        prompt_tokens=asked.prompt_tokens or LanguageConfig.model_fields["prompt_tokens"].default,
        answer_tokens=asked.answer_tokens or LanguageConfig.model_fields["answer_tokens"].default,
        shared_tokens=asked.shared_tokens,
        block_parameters=shape.block_parameters,
        output_parameters=shape.output_parameters,
        attention_width=shape.attention_width,
        cache_bytes_per_token=shape.cache_bytes_per_token,
        costs=_costs(scenario, found),
    )
    if config.prompt_tokens + config.answer_tokens > config.context_tokens and asked.arrivals != "trace":
        with scenario.at("inference", "prompt_tokens"):
            raise UsageError(
                f"prompts of {config.prompt_tokens} and answers of {config.answer_tokens} tokens do not fit the "
                f"context of {config.context_tokens}: shorten them, or raise task.llm.context_tokens"
            )
    if asked.arrivals != "trace":
        _require_costs(scenario, config)
    refuse_without_memory(scenario, config, found.path)
    return config.model_copy(update={"longest_tokens": config.prompt_tokens})


def _costs(scenario: Scenario, model: ModelFile) -> TokenCosts | None:
    """As the scenario's file of costs has them. Raises UsageError."""
    path = scenario.task.llm.costs
    if path is None:
        return None
    with scenario.at("task", "llm", "costs"):
        try:
            return token_costs(path, model)
        except ValueError as error:
            raise UsageError(str(error)) from error


def _require_costs(scenario: Scenario, config: LanguageConfig) -> None:
    """Raises UsageError for calibrated costs by which the mean request takes nothing, or more than can be."""
    prompt, answer = config.prompt_tokens, config.answer_tokens
    told = calibrated_cost(config.costs, prompt, answer, 1)
    if told is not None and not (0 < told.joules <= MOST_COST and 0 < told.seconds <= MOST_COST):
        with scenario.at("task", "llm", "costs"):
            raise UsageError(
                f"by {scenario.task.llm.costs} a request of {prompt} tokens in and {answer} out takes {told.joules:g} "
                f"J and {told.seconds:g} s; allowed are more than 0 and up to {MOST_COST:g} of either: calibrate "
                "again, at lengths like these"
            )


@lru_cache(maxsize=8)
def _shape(model: ModelFile) -> Shape:
    """Read once a process: a vocabulary takes a second."""
    return shape_of(model.path)


def request_flop(config: LanguageConfig) -> float:
    """Counted operations of the mean request."""
    shape = Shape(config.block_parameters, config.output_parameters, config.attention_width)
    return shape.prefill_flop(config.prompt_tokens) + shape.decode_flop(
        config.prompt_tokens, config.answer_tokens
    )


def request_s(config: LanguageConfig, board: BoardConfig, requests_per_batch: int) -> float:
    """Seconds of a board for the mean request of a full batch, as nodes register them: by the calibrated costs where
    there are any, else counted. Requests that are answered at once share their steps."""
    told = calibrated_cost(
        config.costs, config.prompt_tokens, config.answer_tokens, requests_per_batch, config.at_once
    )
    if told is None:
        return request_flop(config) / board.effective_flop_per_s
    return told.seconds / requests_per_batch


def with_lengths(
    scenario: Scenario, config: LanguageConfig, requests: Sequence[Requests]
) -> tuple[LanguageConfig, ...]:
    """Every node's configuration with the lengths of its own requests, where a trace has them. Raises UsageError for
    requests that the context has no room for."""
    if not any(each.lengths for each in requests):
        _require_costs(scenario, config)
        return (config,) * len(requests)
    every = np.array([pair for each in requests for pair in each.lengths])
    longest = every.sum(axis=1)
    fits = config.context_tokens / int(longest.max()) * scenario.inference.tokens_fraction
    if (beyond := int((longest > config.context_tokens).sum())) > 0:
        with scenario.at("inference", "path"):
            raise UsageError(
                f"{beyond} of {len(every)} requests of {scenario.inference.path} are longer than the context of "
                f"{config.context_tokens} tokens, the longest has {int(longest.max())}: lower "
                f"inference.tokens_fraction (with {fits:.2g} all fit), or raise task.llm.context_tokens"
            )
    mean_in, mean_out = (max(1, round(mean)) for mean in every.mean(axis=0))
    whole = config.model_copy(
        update={
            "longest_tokens": int(every[:, 0].max()),
            "prompt_tokens": mean_in,
            "answer_tokens": mean_out,
        }
    )
    _require_costs(scenario, whole)
    return tuple(whole.model_copy(update={"lengths": each.lengths}) for each in requests)


def language_task(scenario: Scenario, config: LanguageConfig, nodes: int) -> TaskConfig:
    """What stands in place of a learned task in configurations: names."""
    return TaskConfig(
        name=LANGUAGE,
        data=config.model,
        batch_size=1,
        batches_per_slot=1,
        learning_rate=scenario.task.learning_rate,
        partitions=nodes,
        partition_index=0,
        seed=scenario.seed,
    )


def language_seconds(
    scenario: Scenario, config: LanguageConfig, boards: Sequence[BoardConfig]
) -> list[float]:
    """(N,) seconds of each board for the requests of a slot, where their number is given by slot."""
    spec = scenario.inference
    by_second = spec.requests_per_s is not None or spec.load_fraction is not None
    by_second = by_second or spec.arrivals in ("trace", "conversations")
    requests = 0 if by_second else spec.batches_per_slot * spec.requests_per_batch
    return [requests * request_s(config, board, spec.requests_per_batch) for board in boards]


def model_origin(config: LanguageConfig) -> str:
    """Where the model came from, for people."""
    return f"{Path(config.path).name or config.model}, sha256 {config.sha256[:12]}"


def check_request_count(scenario: Scenario, by_slot: Sequence[Sequence[float]]) -> None:
    """Raises UsageError for more requests than a reading can name. ``by_slot``: of every slot, the mean number of each
    node's requests; a policy that moves work may bring the other nodes' share of limits.offload_cap_fraction to one."""
    moves = chosen_traits(scenario).restrictions.offloading
    share = scenario.limits.offload_cap_fraction if moves else 0.0
    refuse_requests(max(max(own) + share * (sum(own) - max(own)) for own in by_slot))


def refuse_requests(together: float) -> None:
    """Raises UsageError for more requests at one node in one slot than a reading can name."""
    if together > MAX_REQUESTS_PER_SLOT:
        raise UsageError(
            f"about {together:.4g} requests could come together at a node in one slot; of a language model allowed are "
            f"up to {MAX_REQUESTS_PER_SLOT}, for every one is in the ledger: lower batches_per_slot, "
            "requests_per_batch, requests_per_s, load_fraction or users, or shorten time.slot_s"
        )
