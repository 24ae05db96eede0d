"""All figures of a report, by section."""

from __future__ import annotations

from experiments.report.figures import (
    day,
    efficiency,
    emissions,
    flows,
    learning,
    operation,
    reductions,
    serving,
    tornado,
    tree,
)
from experiments.report.figures.base import Drawing
from experiments.report.figures.look import look
from experiments.report.read import Study


def draw_all(study: Study) -> dict[str, list[Drawing]]:
    """Section -> drawings. A section without drawings is omitted for this study."""
    with look():
        sections: dict[str, list[Drawing | None]] = {
            "emissions": [
                reductions.reductions(study),
                tornado.what_it_depends_on(study),
                emissions.by_policy(study),
            ],
            "stages": [
                emissions.by_stage(study),
                emissions.energy_by_stage(study),
                emissions.cumulative(study),
            ],
            "day": [day.intensity_and_harvest(study), day.energy_balance(study)],
            "flows": [*flows.flows(study)],
            "batteries": [*day.batteries(study)],
            "learning": [learning.accuracy(study)],
            "serving": [serving.latency_and_energy(study)],
            "efficiency": [
                efficiency.by_policy(study),
                tree.alpha_sweep(study),
                efficiency.by_node(study),
            ],
            "decisions": [operation.decisions(study)],
            "losses": [*operation.losses(study)],
        }
    return {
        name: [drawing for drawing in drawings if drawing is not None] for name, drawings in sections.items()
    }
