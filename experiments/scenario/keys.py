"""What all tables of a scenario share: strict models, bounds, files beside the scenario.

Upper bounds have no physical meaning. They keep integer microjoules within 64 bits, and prevent that a typing error (a
batch of 1e9 images, a billion slots) takes all memory or many hours.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
)

from experiments.errors import UsageError

YEAR_S = 366 * 86_400.0
MAX_SEED = 2**31 - 1
MAX_SLOTS = 100_000
MAX_NODES = 100_000
Fraction = Annotated[float, Field(ge=0, le=1)]
JoulesPerByte = Annotated[float, Field(ge=0, le=1e3)]
Power = Annotated[float, Field(ge=0, le=1e6)]
"""W; a megawatt is beyond any edge node."""
LimitPower = Annotated[float, Field(gt=0, le=1e6)]


def beside_the_scenario(path: Path, info: ValidationInfo) -> Path:
    """The path, relative to the folder of the scenario's file: a scenario and its traces can be moved together."""
    folder: Path | None = (info.context or {}).get("folder")
    return path if folder is None else folder / path.expanduser()


File = Annotated[Path, Field(strict=False), AfterValidator(beside_the_scenario)]
"""TOML has no paths: they are written as strings."""


def as_tuple(value: Any) -> Any:
    """TOML has lists where the models have tuples."""
    return tuple(value) if isinstance(value, list) else value


Option = str | float | int | bool | dict[str, float]
"""Of a source: a plain value, or one for each zone."""


class Strict(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, strict=True, use_attribute_docstrings=True
    )


def default_of(config: type[BaseModel], field: str) -> Any:
    """Default of a node's or the coordinator's configuration: the scenario's key has the same."""
    return config.model_fields[field].default


def refuse_doubled(options: Mapping[str, Any], said: Mapping[str, Any]) -> None:
    """Raises UsageError for an option that is also set by the table's keys or by the node."""
    for key in options.keys() & said.keys():
        raise UsageError(
            f"options.{key} = {options[key]!r} has no effect, because the table or its node sets {key} = {said[key]}; "
            "remove it from options"
        )
