"""One training: what is trained, with what, and until when."""

from __future__ import annotations

from dataclasses import dataclass

from experiments.studies.fei.spec import SMALL_BATCH, BatchReading, Model, Reduction


@dataclass(frozen=True, slots=True)
class TrainCell:
    """One training; the same fields give the same rounds anywhere."""

    task: str
    data: str
    partition: str
    edges: int
    partitions: int
    """Shares the data are cut into; each server holds one, so ``edges / partitions`` of the data are used."""
    batch_size: int
    batches_per_round: int
    """Mini-batches of one server in one epoch of a round."""
    local_epochs: int
    learning_rate: float
    target_fraction: float
    max_rounds: int
    test_examples: int | None
    recycle: bool
    """Whether the trained model is afterwards transferred to the second task, for the recycling stage."""
    seed: int = 0

    @property
    def round_examples(self) -> int:
        """Examples that all servers pass through their models in one round, counted with repeats."""
        return self.edges * self.batch_size * self.batches_per_round * self.local_epochs


def cell_for(
    model: Model,
    data: str,
    num_train: int,
    reading: BatchReading,
    servers: int,
    edges: int,
    reduction: Reduction,
    *,
    recycle: bool = False,
) -> TrainCell:
    """The training behind one row of Table I, in one reading, made smaller by ``reduction``."""
    fraction = reduction.examples_fraction
    partitions = max(edges, round(edges / fraction))
    share = -(-num_train // partitions)
    column_b = model.paper_batch(servers)
    if reading is BatchReading.AS_PRINTED:
        batch_size = min(max(1, round(column_b * fraction)), share)
        batches, epochs = -(-share // batch_size), reduction.epochs
    else:
        batch_size, epochs = reduction.small_batch, 1
        batches = max(1, round(column_b * fraction))
    return TrainCell(
        task=model.task,
        data=data,
        partition=model.partition,
        edges=edges,
        partitions=partitions,
        batch_size=batch_size,
        batches_per_round=batches,
        local_epochs=epochs,
        learning_rate=model.learning_rate,
        target_fraction=reduction.target_fraction or model.target_fraction,
        max_rounds=reduction.max_rounds,
        test_examples=reduction.test_examples,
        recycle=recycle,
    )


def full_round_examples(model: Model, num_train: int, reading: BatchReading, servers: int, edges: int) -> int:
    """Examples that one server passes through its model in one round of the paper's size, counted with repeats."""
    column_b = model.paper_batch(servers)
    if reading is BatchReading.BATCH_50:
        return SMALL_BATCH * column_b
    share = -(-num_train // edges)
    size = min(column_b, share)
    return 50 * size * -(-share // size)
