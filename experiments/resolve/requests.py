"""Load of the application stage, node by node: rates and arrival times of every service of ``[inference]``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from carbon_data.sources.sites import zone_sites
from carbon_data.units import BITS_PER_BYTE
from edge_node.config import BoardConfig, InferenceConfig, LanguageConfig, ServiceConfig, TaskConfig
from edge_node.serving.arrivals import RequestPlan, diurnal_rates
from edge_node.serving.requests import mean_cost
from edge_node.tasks.build import build_workload
from edge_node.tasks.registry import configured_task
from experiments.errors import RunError, UsageError
from experiments.resolve.conversing import busiest_turns, turns_of, with_turns
from experiments.resolve.language import check_request_count, refuse_requests, request_s, with_lengths
from experiments.resolve.request_trace import outside, read_requests, within
from experiments.resolve.tasks import service_task
from experiments.scenario.names import node_name
from protos.messages.terms import Stage

if TYPE_CHECKING:
    from experiments.progress import Watch
    from experiments.scenario.model import Scenario
    from experiments.scenario.places import NodeSpec
    from experiments.scenario.work import InferenceSpec, ServiceSpec

DEGREES_PER_HOUR = 15.0
MAX_REQUESTS_PER_SLOT = 1_000_000
"""Of one node; each is followed from its arrival to its answer."""


def node_inference(
    scenario: Scenario,
    specs: Sequence[NodeSpec],
    stages: Sequence[Stage],
    boards: Sequence[BoardConfig],
    task: TaskConfig,
    slot_s: float,
    language: LanguageConfig | None = None,
    watch: Watch | None = None,
) -> tuple[tuple[InferenceConfig, ...], tuple[LanguageConfig | None, ...]]:
    """Configuration of every node's requests, and of the language model that answers them.

    Raises UsageError for a trace that cannot be used."""
    spec = scenario.inference
    common = InferenceConfig(
        batches_per_slot=spec.batches_per_slot,
        requests_per_batch=spec.requests_per_batch,
        max_wait_s=spec.max_wait_s,
        batching=spec.batching,
        upload_s=spec.upload_s,
        upload_spread=spec.upload_spread,
        between=spec.between,
        idle_s=spec.idle_s,
        latency_target_s=spec.latency_target_s,
        link_bytes_per_s=scenario.network.link_bit_per_s / BITS_PER_BYTE,
    )
    languages: tuple[LanguageConfig | None, ...] = (language,) * len(specs)
    if Stage.APPLICATION not in stages:
        return (common,) * len(specs), languages
    nodes = list(zip(specs, boards, strict=True))
    if spec.arrivals == "batches":
        found = [common] * len(specs)
        if language is not None:
            check_request_count(scenario, [[spec.batches_per_slot * spec.requests_per_batch] * len(specs)])
    elif spec.arrivals == "conversations":
        assert language is not None  # refused elsewhere
        turns = turns_of(scenario, node_names(len(specs)), stages, slot_s)
        refuse_requests(busiest_turns(turns))
        return with_turns(scenario, common, language, turns, node_names(len(specs)))
    elif spec.arrivals == "trace":
        assert spec.path is not None
        names = node_names(len(specs))
        first_s = stages.index(Stage.APPLICATION) * slot_s
        requests = read_requests(
            spec.path, names, per_s=spec.requests_per_s, tokens_fraction=spec.tokens_fraction
        )
        served_s = stages.count(Stage.APPLICATION) * slot_s
        _require_arrivals(
            spec.path, [each.times_s for each in requests], stages.count(Stage.APPLICATION), slot_s
        )
        found = [
            common.model_copy(
                update={"arrivals": "times", "times_s": tuple(first_s + t for t in each.times_s)}
            )
            for each in requests
        ]
        if language is not None:
            requests = [within(each, served_s) for each in requests]
            languages = with_lengths(scenario, language, requests)
            slots = stages.count(Stage.APPLICATION)
            check_request_count(scenario, [[len(each.times_s) / slots for each in requests]])
    else:
        full = spec.batches_per_slot * spec.requests_per_batch / slot_s
        flop = [
            None
            if language is None
            else request_s(language, board, spec.requests_per_batch) * board.effective_flop_per_s
            for _, board in nodes
        ]
        rates = [
            _rates(scenario, spec, node, mean_per_s(spec, board, task, full, of_request), len(stages))
            for (node, board), of_request in zip(nodes, flop, strict=True)
        ]
        _refuse_floods(rates, slot_s, "lower batches_per_slot, requests_per_s or load_fraction")
        if language is not None:
            check_request_count(
                scenario, [[rate * slot_s for rate in of_slot] for of_slot in zip(*rates, strict=True)]
            )
        found = [common.model_copy(update={"arrivals": "poisson", "rate_per_s": each}) for each in rates]
    if not spec.services:
        return tuple(found), languages
    with_services = []
    for inference, (node, board) in zip(found, nodes, strict=True):
        services = tuple(
            _service(scenario, k, node, board, task, len(stages)) for k in range(len(spec.services))
        )
        with_services.append(inference.model_copy(update={"services": services}))
    for k in range(len(spec.services)):
        with scenario.at("inference", "services", k):
            rates = [inference.services[k].rate_per_s for inference in with_services]
            _refuse_floods(rates, slot_s, "lower requests_per_s or load_fraction")
    return _planned(with_services, task, stages, slot_s, scenario.seed, watch), languages


def planned_load(
    inference: Sequence[InferenceConfig],
    slot_s: float,
    stages: Sequence[Stage],
    seed: int,
    watch: Watch | None = None,
) -> tuple[tuple[int, ...], int]:
    """(N,) batches that each node's requests form in its fullest slot; requests of all nodes in the run."""
    fullest, requests = [], 0
    for plan in _plans(inference, slot_s, stages, seed, watch):
        fullest.append(max(plan.released, default=0))
        requests += len(plan.arrival_s)
    return tuple(fullest), requests


def _plans(
    inference: Sequence[InferenceConfig],
    slot_s: float,
    stages: Sequence[Stage],
    seed: int,
    watch: Watch | None,
) -> Iterator[RequestPlan]:
    """Of every node, one after the other: all of them at once may not fit into memory."""
    slots = len(inference) * len(stages)
    for place, each in enumerate(inference):
        told = None if watch is None else partial(_told, watch, place * len(stages), slots)
        yield RequestPlan.make(each, slot_s, stages, seed, place, told)


def node_names(nodes: int) -> list[str]:
    """Of all nodes, in their order."""
    return [node_name(i, nodes) for i in range(nodes)]


def _refuse_floods(rates: Sequence[tuple[float, ...]], slot_s: float, advice: str) -> None:
    if (busiest := max(max(each) for each in rates) * slot_s) > MAX_REQUESTS_PER_SLOT:
        raise UsageError(
            f"about {busiest:.3g} requests would reach a node in one slot; allowed are up to {MAX_REQUESTS_PER_SLOT}: "
            f"{advice}, or shorten time.slot_s"
        )


def _service(
    scenario: Scenario, k: int, node: NodeSpec, board: BoardConfig, task: TaskConfig, slots: int
) -> ServiceConfig:
    """The k-th further service of a node."""
    spec = scenario.inference.services[k]
    with scenario.at("inference", "services", k):
        own = service_task(spec, task)
        return ServiceConfig(
            name=spec.label,
            task=own,
            rate_per_s=_rates(scenario, spec, node, mean_per_s(spec, board, own, 0.0), slots),
            requests_per_batch=spec.requests_per_batch,
            max_wait_s=spec.max_wait_s,
            latency_target_s=spec.latency_target_s,
        )


def _planned(
    nodes: Sequence[InferenceConfig],
    task: TaskConfig,
    stages: Sequence[Stage],
    slot_s: float,
    seed: int,
    watch: Watch | None,
) -> tuple[InferenceConfig, ...]:
    """Every node plans with the fleet's mean batch: where several services mix, a node whose users happen to request
    more of the expensive one would otherwise look like an expensive place to run any batch."""
    plans = list(_plans(nodes, slot_s, stages, seed, watch))
    sizes = [nodes[0].requests_per_batch, *(service.requests_per_batch for service in nodes[0].services)]
    costs = [
        build_workload(config, nodes[0].model_copy(update={"requests_per_batch": size})).cost(
            Stage.APPLICATION
        )
        for config, size in zip((task, *(service.task for service in nodes[0].services)), sizes, strict=True)
    ]
    mean = mean_cost(plans, costs, sizes)
    planned = {
        "planned_flop_per_batch": mean.flop_per_batch,
        "planned_bytes_per_batch": mean.bytes_per_batch,
        "planned_up_bytes_per_batch": mean.up_bytes,
        "planned_down_bytes_per_batch": mean.down_bytes,
    }
    return tuple(inference.model_copy(update=planned) for inference in nodes)


def _told(watch: Watch, before: int, slots: int, slot: int) -> None:
    watch("requests of nodes, by slot", before + slot, slots)


def mean_per_s(
    spec: InferenceSpec | ServiceSpec,
    board: BoardConfig,
    task: TaskConfig,
    otherwise: float,
    flop: float | None = None,
) -> float:
    """Mean requests per second of slot time; ``otherwise``: where the scenario gives neither rate nor load.

    ``flop``: of a request, of what is no task."""
    if spec.requests_per_s is not None:
        return spec.requests_per_s
    if spec.load_fraction is not None:
        if flop is None:
            flop = configured_task(task.name, task.prompt_tokens, task.answer_tokens).serve_flop()
        return spec.load_fraction * board.effective_flop_per_s / flop
    return otherwise


def _require_arrivals(path: Path, traces: Sequence[Sequence[float]], slots: int, slot_s: float) -> None:
    """Raises RunError where no request arrives within the stage: such a run has no result for serving."""
    late, every, whose = outside(traces, slots * slot_s)
    if late < every:
        return
    first_s = min((times[0] for times in traces if times), default=None)
    first = "there are none" if first_s is None else f"the first comes at {first_s:g} s"
    raise RunError(
        f"{path}: all {every} arrivals{whose} fall outside the application stage: {first}, and the stage's {slots} "
        f"slots of {slot_s:.4g} s end at {slots * slot_s:.4g} s; arrival_s counts seconds of slot time from the first "
        "application slot: rescale it, or lengthen time.slot_s or stages.application"
    )


def _rates(
    scenario: Scenario, spec: InferenceSpec | ServiceSpec, node: NodeSpec, mean_per_s: float, slots: int
) -> tuple[float, ...]:
    """Mean requests per second in each slot."""
    if spec.arrivals == "poisson":
        return (mean_per_s,) * slots
    step = timedelta(seconds=scenario.time.trace_step_s)
    middles = [scenario.time.start + (slot + 0.5) * step for slot in range(slots)]
    shift = _longitude_deg(node) / DEGREES_PER_HOUR
    utc = [middle.astimezone(UTC) for middle in middles]
    hours = [(t.hour + t.minute / 60 + t.second / 3600 + shift) % 24 for t in utc]
    return diurnal_rates(mean_per_s, hours, spec.peak_hour, spec.depth_fraction)


def _longitude_deg(node: NodeSpec) -> float:
    """Of the node itself, else of its zone's site."""
    if node.longitude_deg is not None:
        return node.longitude_deg
    site = zone_sites().get(node.zone)
    if site is None:
        raise UsageError(
            f"zone {node.zone} has no site on record: diurnal arrivals need the node's longitude_deg"
        )
    return site.longitude_deg
