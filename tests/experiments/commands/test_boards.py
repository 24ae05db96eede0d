"""A board that an option names."""

from __future__ import annotations

import pytest

from experiments.commands.boards import require_board
from experiments.errors import UsageError


def test_an_unknown_board_is_the_users_error() -> None:
    assert require_board("raspberry-pi-4b").name == "raspberry-pi-4b"
    with pytest.raises(UsageError, match=r"unknown board 'no-such-board'; allowed are .*raspberry-pi-4b"):
        require_board("no-such-board")
