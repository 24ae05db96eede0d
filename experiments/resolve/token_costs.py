"""The file of `detabed calibrate --task llm` as what policies plan with."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import ValidationError

from edge_node.config import TokenCosts
from edge_node.language.model_file import ModelFile

PREFILL = ("j", "j_per_token", "j_per_token2")
STEP = ("j", "j_per_request", "j_per_request_and_token")
AGAIN = "write it with: detabed calibrate SPEC --task llm -o FILE"


def token_costs(path: Path, model: ModelFile) -> TokenCosts:
    """Costs of ``model``'s tokens.

    Raises:
        ValueError: there is no such file, it lacks a figure, or it is of another model.
    """
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
        of = told["sha256"]
        costs = TokenCosts(
            prefill_j=tuple(told["prefill"][name] for name in PREFILL),
            step_j=tuple(told["step"][name] for name in STEP),
            watts=told["watts"],
        )
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}; {AGAIN}") from error
    except KeyError as error:
        raise ValueError(
            f"{path} has no {error.args[0]}: it is no cost model of this version; {AGAIN}"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, TypeError, ValidationError) as error:
        raise ValueError(f"{path} is no cost model: {' '.join(str(error).split())[:200]}; {AGAIN}") from error
    if of != model.sha256:
        raise ValueError(
            f"{path} has the costs of a model with sha256 {str(of)[:12]}, the scenario serves {model.name}, "
            f"sha256 {model.sha256[:12]}; {AGAIN}, with --model"
        )
    return costs
