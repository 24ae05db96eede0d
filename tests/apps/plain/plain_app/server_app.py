"""FedAvg, as `flwr new` writes it."""

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Context, MetricRecord
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

app = ServerApp()


def central(server_round: int, arrays: ArrayRecord) -> MetricRecord:
    """Evaluation on the server."""
    (w,) = arrays.to_numpy_ndarrays()
    return MetricRecord({"accuracy": server_round / 10, "loss": float(np.sum(w**2))})


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Three rounds, or as the run configuration says."""
    strategy = FedAvg(fraction_train=float(context.run_config["fraction-train"]))
    strategy.start(
        grid=grid,
        initial_arrays=ArrayRecord([np.zeros(3)]),
        num_rounds=int(context.run_config["num-server-rounds"]),
        train_config=ConfigRecord({"lr": float(context.run_config["learning-rate"])}),
        evaluate_fn=central if context.run_config["central"] else None,
    )
