"""What pydantic refuses, as a part of a sentence of ours."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ValidationError, model_validator

from carbon_data.refused import fault


class Table(BaseModel):
    slots: int
    names: tuple[int, ...] = ()

    @model_validator(mode="after")
    def _few(self) -> Table:
        if self.slots > 3:
            raise ValueError("at most 3 slots are allowed")
        return self


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "slots: field required"),
        ({"slots": 1, "names": ["a"]}, "names.0: input should be a valid integer"),
        ({"slots": 4}, "table: at most 3 slots are allowed"),
    ],
)
def test_place_and_fault(values: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError) as met:
        Table.model_validate(values)
    assert fault(met.value.errors()[0], "table").startswith(said)
