"""Central evaluation of a global model on the held-out test set."""

from __future__ import annotations

import numpy as np
import pytest

from edge_node.config import InferenceConfig
from edge_node.tasks.build import build_workload
from edge_node.tasks.evaluation import evaluate, initial_parameters
from edge_node.tasks.registry import find_task
from protos.messages.terms import Stage
from tests.edge_node.tasks.image_workloads import batches, config

DEVELOPMENT, APPLICATION, PREPARATION = Stage.DEVELOPMENT, Stage.APPLICATION, Stage.PREPARATION


def federate(data: str, rounds: int, parameters):
    nodes = [build_workload(config(data=data, partition_index=k, batch_size=16)) for k in range(10)]
    for number in range(rounds):
        results = [node.train(parameters, batches(node, 9, 9 * number), {}) for node in nodes]
        total = sum(result.num_examples for result in results)
        parameters = {
            k: sum(r.parameters[k] * np.float32(r.num_examples / total) for r in results) for k in parameters
        }
    return parameters


def test_requests_come_from_the_test_set_and_are_counted():
    workload = build_workload(config(), InferenceConfig(requests_per_batch=20))
    start = initial_parameters("mnist-mlp", 1)
    work = [workload.batch(k, APPLICATION) for k in range(18)]
    result = workload.infer(start, work)
    assert (result.requests, result.output_tokens, result.input_tokens, result.batches) == (360, 0, 0, 18)
    assert result.payload_bits == 360 * (784 + 1) * 8
    assert result.flop == pytest.approx(18 * workload.cost(APPLICATION).flop_per_batch)
    # 360 requests are the 359 test images and one of them again.
    wrong = 359 - round(evaluate("mnist-mlp", "digits", start).accuracy * 359)
    assert result.requests - result.correct in (wrong, wrong + 1)


def test_ten_nodes_learn_the_digits_and_a_second_task_from_them():
    learned = federate("digits", 8, initial_parameters("mnist-mlp", 0))
    assert evaluate("mnist-mlp", "digits", learned).accuracy > 0.93
    before = evaluate("mnist-mlp", "digits-inverted", learned)
    recycled = federate("digits-inverted", 4, learned)
    after = evaluate("mnist-mlp", "digits-inverted", recycled)
    assert before.accuracy < 0.5 < 0.7 < after.accuracy
    assert after.loss < before.loss


def test_evaluation_looks_at_the_whole_test_set_or_its_beginning():
    start = initial_parameters("mnist-mlp", 0)
    whole, part = evaluate("mnist-mlp", "digits", start), evaluate("mnist-mlp", "digits", start, limit=10)
    assert (whole.examples, part.examples) == (359, 10)
    assert part.accuracy * 10 == pytest.approx(round(part.accuracy * 10))
    assert whole.flop == 359 * find_task("mnist-mlp").flop().forward


def test_evaluation_reports_perplexity_and_accuracy_by_token():
    untrained = evaluate("tiny-gpt", "pydoc", initial_parameters("tiny-gpt", 0), limit=20)
    assert untrained.examples == 20
    assert untrained.perplexity == pytest.approx(np.exp(untrained.loss))
    assert untrained.perplexity == pytest.approx(258, rel=0.2)
    assert 0 <= untrained.accuracy < 0.2
