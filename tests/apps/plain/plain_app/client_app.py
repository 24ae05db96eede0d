"""Least squares on a share of points, in float64."""

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()
TRUTH = np.array([1.0, -2.0, 0.5])


def share(context: Context) -> tuple[np.ndarray, np.ndarray]:
    """Points of the context's partition."""
    partition, of = int(context.node_config["partition-id"]), int(context.node_config["num-partitions"])
    x = np.random.default_rng([partition, of]).normal(size=(10 + partition, 3))
    return x, x @ TRUTH


def count_calls(context: Context) -> int:
    """Calls of training on this node so far: kept in the context's state."""
    before = context.state.config_records.get("calls", ConfigRecord({"count": 0}))
    context.state["calls"] = ConfigRecord({"count": int(before["count"]) + 1})
    return int(before["count"]) + 1


@app.train()
def train(message: Message, context: Context) -> Message:
    """One step of gradient descent."""
    x, y = share(context)
    (w,) = message.content["arrays"].to_numpy_ndarrays()
    rate = float(context.run_config["learning-rate"]) / float(message.content["config"]["server-round"])
    w = w - rate * 2 * x.T @ (x @ w - y) / len(y)
    metrics = {
        "num-examples": len(y),
        "train_loss": float(np.mean((x @ w - y) ** 2)),
        "calls": count_calls(context),
        "records": len(message.content),
    }
    content = RecordDict({"arrays": ArrayRecord([w]), "metrics": MetricRecord(metrics)})
    return Message(content, reply_to=message)


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    """Mean squared error, and the share of points whose sign is right."""
    x, y = share(context)
    (w,) = message.content["arrays"].to_numpy_ndarrays()
    metrics = {
        "num-examples": len(y),
        "eval_loss": float(np.mean((x @ w - y) ** 2)),
        "eval_acc": float(np.mean(np.sign(x @ w) == np.sign(y))),
    }
    return Message(RecordDict({"metrics": MetricRecord(metrics)}), reply_to=message)
