"""All figures of a report, by section."""

from __future__ import annotations

from collections.abc import Callable

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
    zones,
)
from experiments.report.figures.base import Drawing
from experiments.report.figures.look import look
from experiments.report.read import Study

SECTIONS: dict[str, Callable[[Study], list[Drawing | None]]] = {
    "emissions": lambda study: [
        reductions.reductions(study),
        tornado.what_it_depends_on(study),
        emissions.by_policy(study),
    ],
    "stages": lambda study: [
        emissions.by_stage(study),
        emissions.energy_by_stage(study),
        emissions.cumulative(study),
    ],
    "day": lambda study: [zones.zone_map(study), day.intensity_and_harvest(study), day.energy_balance(study)],
    "flows": lambda study: [*flows.flows(study)],
    "batteries": lambda study: [*day.batteries(study)],
    "learning": lambda study: [learning.accuracy(study)],
    "serving": lambda study: [serving.latency_and_energy(study)],
    "efficiency": lambda study: [
        efficiency.by_policy(study),
        tree.alpha_sweep(study),
        efficiency.by_node(study),
    ],
    "decisions": lambda study: [operation.decisions(study)],
    "losses": lambda study: [*operation.losses(study)],
}
"""Section of the page -> its drawings; None: not for this study."""


def draw(study: Study, section: str) -> list[Drawing]:
    """The drawings of one section that there are for this study."""
    with look():
        return [drawing for drawing in SECTIONS[section](study) if drawing is not None]


def draw_all(study: Study) -> list[Drawing]:
    """Those of all sections, in the page's order."""
    return [drawing for section in SECTIONS for drawing in draw(study, section)]
