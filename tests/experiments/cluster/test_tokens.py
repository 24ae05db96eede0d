"""Join tokens: good once, for ten minutes, and known by their hash alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from experiments.cluster.tokens import LASTS, JoinToken, State, Tokens
from experiments.errors import UsageError

HASH = "a" * 64


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(tmp_path: Path, clock: Clock) -> Tokens:
    return Tokens(tmp_path / "tokens.json", clock)


def test_a_token_is_good_once(tokens: Tokens) -> None:
    token = tokens.new("n7", HASH)
    assert JoinToken.parse(f" {token}\n") == token
    assert tokens.state("n7") is State.WAITING
    tokens.spend("n7", token.secret)
    assert tokens.state("n7") is State.USED
    with pytest.raises(
        ValueError, match=r"token of n7 was used already, at 2026-03-01T12:00:00.*cluster invite n7"
    ):
        tokens.spend("n7", token.secret)


def test_a_token_lasts_ten_minutes(tokens: Tokens, clock: Clock) -> None:
    token = tokens.new("n7", HASH)
    clock.now += LASTS - timedelta(microseconds=1)
    assert tokens.state("n7") is State.WAITING
    clock.now += timedelta(microseconds=1)
    assert tokens.state("n7") is State.EXPIRED
    with pytest.raises(ValueError, match=r"token of n7 expired at .*cluster invite n7"):
        tokens.spend("n7", token.secret)
    assert timedelta(minutes=10) == LASTS


def test_the_last_invitation_counts_and_each_node_has_its_own(tokens: Tokens) -> None:
    first, other, second = tokens.new("n7", HASH), tokens.new("n8", HASH), tokens.new("n7", HASH)
    for node_id, secret in (
        ("n7", first.secret),
        ("n7", other.secret),
        ("n8", second.secret),
        ("n9", second.secret),
    ):
        with pytest.raises(ValueError, match=f"no such token of {node_id}"):
            tokens.spend(node_id, secret)
    tokens.spend("n7", second.secret)
    tokens.spend("n8", other.secret)


def test_the_file_holds_no_secret_and_is_its_owners_alone(tokens: Tokens, tmp_path: Path) -> None:
    token = tokens.new("n7", HASH)
    path = tmp_path / "tokens.json"
    assert token.secret not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert Tokens(path, lambda: datetime(2026, 3, 1, 12, tzinfo=UTC)).state("n7") is State.WAITING


@pytest.mark.parametrize(
    "text", ["", "n7", f"n7.{HASH}", f"n7.{HASH}.{HASH[1:]}", f"N7.{HASH}.{HASH}", f"n7.{HASH}.{HASH}x"]
)
def test_half_a_token_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="was it cut off"):
        JoinToken.parse(text)
