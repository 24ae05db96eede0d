"""The sentence about a file that is not UTF-8."""

from __future__ import annotations

import pytest

from carbon_data.utf8 import not_utf8


def test_line_and_byte_are_named_and_what_to_do() -> None:
    with pytest.raises(UnicodeDecodeError) as met:
        "one\ntwo\ncafé".encode("cp1252").decode("utf-8")
    assert not_utf8(met.value).startswith("is not UTF-8 text (byte 0xe9 in line 3); save it as UTF-8")
