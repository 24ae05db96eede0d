"""A loop without a strategy: train, average, evaluate, ask for what the nodes keep; writes what it found."""

import json
import time
from pathlib import Path

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, RecordDict
from flwr.serverapp import Grid, ServerApp

app = ServerApp()
NODES = 3


@app.main()
def main(grid: Grid, context: Context) -> None:
    """As many rounds as the run configuration says."""
    while len(nodes := list(grid.get_node_ids())) < NODES:
        time.sleep(0.1)
    w, mask = np.zeros(4, np.float32), np.array([True, True, False, True])
    found: list[dict[str, object]] = []
    for number in range(int(context.run_config["num-server-rounds"])):
        content = RecordDict(
            {
                "model": ArrayRecord([w]),
                "fixed": ArrayRecord({"mask": Array(mask), "step": Array(np.array(number))}),
                "settings": ConfigRecord({"scales": [0.5, 0.25], "raw": b"\x01", "name": "records"}),
            }
        )
        trained = ask(grid, content, nodes, "train")
        trained.sort(key=lambda reply: reply.content["settings"]["partition"])
        w = np.mean([reply.content["model"].to_numpy_ndarrays()[0] for reply in trained], axis=0)
        half = [reply.content["counts"].to_numpy_ndarrays()[1].dtype.name for reply in trained]
        told = ask(grid, RecordDict({"model": ArrayRecord([w])}), nodes, "evaluate")
        kept = ask(grid, RecordDict(), nodes, "query")
        found.append(
            {
                "model": w.tolist(),
                "half": half,
                "losses": sorted(reply.content["metrics"]["eval_loss"] for reply in told),
                "kept": sorted(reply.content["velocity"].to_numpy_ndarrays()[0].tolist() for reply in kept),
            }
        )
    Path(str(context.run_config["result"])).write_text(json.dumps(found))


def ask(grid: Grid, content: RecordDict, nodes: list[int], kind: str) -> list[Message]:
    """Replies of all nodes."""
    replies = list(grid.send_and_receive([Message(content, node, kind) for node in nodes]))
    assert not [reply.error for reply in replies if reply.has_error()]
    assert len(replies) == len(nodes)
    return replies
