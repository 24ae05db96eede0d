"""What the set-up must have before any claim is looked at."""

from __future__ import annotations

from edge_node.tasks.flops import parameter_count
from edge_node.tasks.registry import find_task
from experiments.report.claims.figure import ClaimFigure
from experiments.studies.fei.claims.judgement import About, Judgement, met
from experiments.studies.fei.spec import MODELS

_CHOSEN = "layers were chosen for this count (docs/methods.md, section 8, note 1)"


def parameter_claims() -> dict[str, Judgement]:
    """Models have the paper's number of parameters."""
    found = {}
    for model in MODELS:
        count = parameter_count(find_task(model.task).model())
        found[f"parameters-{model.name.lower()}"] = Judgement(
            met(count == model.parameters),
            f"{model.parameters:,}",
            f"{count:,}",
            "equal",
            about=About.SETUP,
            by_construction=_CHOSEN if count == model.parameters else "",
            sentence=f"The {model.name} has the paper's number of parameters.",
            figure=ClaimFigure(
                "parameters of the model",
                ours=count,
                paper=model.parameters,
                at_least=model.parameters,
                at_most=model.parameters,
            ),
        )
    return found
