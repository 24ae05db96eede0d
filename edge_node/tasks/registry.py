"""Tasks by name. A task of one's own needs no entry: name it ``package.module:Name``."""

from __future__ import annotations

from functools import cache

from carbon_data.own_code import named, place_of
from edge_node.tasks.base import Task
from edge_node.tasks.none import LANGUAGE
from edge_node.tasks.none import NAME as NO_TASK

TASKS: dict[str, str] = {
    "mnist-mlp": "edge_node.tasks.mnist_mlp:MnistMlp",
    "mnist-mlp-bn": "edge_node.tasks.mnist_mlp_bn:MnistMlpNorm",
    "mnist-cnn": "edge_node.tasks.mnist_cnn:MnistCnn",
    "mnist-cnn-62": "edge_node.tasks.mnist_cnn:MnistCnn62",
    "shakespeare-lstm": "edge_node.tasks.shakespeare_lstm:ShakespeareLstm",
    "shakespeare-lstm-plain": "edge_node.tasks.shakespeare_lstm:ShakespeareLstmPlain",
    "lora": "edge_node.tasks.lora.task:LoraTask",
    "tiny-gpt": "edge_node.tasks.tiny_gpt:TinyGptTask",
}


__all__ = ["LANGUAGE", "NO_TASK", "TASKS", "configured_task", "find_task"]


@cache
def find_task(name: str) -> Task:
    """The task of that registry name or ``package.module:Name``; one instance a process.

    Raises ValueError when there is none, or when the name leads to something that is not a Task.
    """
    found = named(name, TASKS, "task", ValueError)
    try:
        task = found() if isinstance(found, type) else found
    except Exception as error:  # user code may raise anything
        raise ValueError(
            f"task {name!r} cannot be made: {type(error).__name__}: {error} (at {place_of(error)}); a class is made "
            "without arguments: put one that is made into a variable, and name that"
        ) from error
    if not isinstance(task, Task):
        raise ValueError(f"task {name!r} is a {type(task).__name__}, not an edge_node.tasks.base.Task")
    return task


@cache
def configured_task(name: str, prompt_tokens: int | None = None, answer_tokens: int | None = None) -> Task:
    """The task with requests of these lengths (None: its own); one instance a process. Raises ValueError."""
    return find_task(name).for_requests(prompt_tokens, answer_tokens)
