"""What messages compute of themselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protos.messages.parcels import service_of_tensor, tensor_name


@given(st.integers(0, 99), st.text(st.characters(exclude_characters=":"), min_size=1))
def test_a_tensor_belongs_to_the_service_that_named_it(service: int, name: str) -> None:
    assert service_of_tensor(tensor_name(service, name)) == service


@pytest.mark.parametrize("name", ["images", "one:images", ":images", "²:images", "-1:images"])
def test_a_name_without_a_number_is_of_the_learned_task(name: str) -> None:
    assert service_of_tensor(name) == 0
