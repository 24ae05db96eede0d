"""Momentum on noisy gradients: the velocity stays on the node, in the context's state."""

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    """One step; the reply has a record of each type that came."""
    records = message.content
    (w,) = records["model"].to_numpy_ndarrays()
    mask, step = records["fixed"]["mask"].numpy(), records["fixed"]["step"].numpy()
    assert (w.dtype, mask.dtype, step.dtype) == (np.float32, np.bool_, np.int64)
    assert records["settings"]["scales"] == [0.5, 0.25]
    partition = int(context.node_config["partition-id"])
    draw = np.random.default_rng([int(context.run_config["seed"]), partition, int(step)])
    gradient = (w - partition + draw.normal(size=w.shape)).astype(np.float32)
    velocity = gradient
    if "velocity" in context.state:
        velocity = np.float32(0.5) * context.state["velocity"].to_numpy_ndarrays()[0] + gradient
    context.state["velocity"] = ArrayRecord([velocity])
    w = w - np.float32(0.25) * velocity * mask
    content = RecordDict(
        {
            "model": ArrayRecord([w]),
            "counts": ArrayRecord([np.array([partition], np.uint8), w.astype(np.float16)]),
            "settings": ConfigRecord({"partition": partition, "raw": b"\x00\xff"}),
            "metrics": MetricRecord({"num-examples": 1, "losses": [0.0, 1.0]}),
        }
    )
    return Message(content, reply_to=message)


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    """Distance to the node's own number."""
    (w,) = message.content["model"].to_numpy_ndarrays()
    distance = float(np.abs(w - int(context.node_config["partition-id"])).sum())
    metrics = MetricRecord({"num-examples": 1, "eval_loss": distance, "accuracy": 1 / (1 + distance)})
    return Message(RecordDict({"metrics": metrics}), reply_to=message)


@app.query()
def velocity(message: Message, context: Context) -> Message:
    """What the node keeps."""
    return Message(RecordDict({"velocity": context.state["velocity"]}), reply_to=message)
