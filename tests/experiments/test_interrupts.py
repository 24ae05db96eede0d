"""Interrupts: where they end the process, and what they are behind of."""

from __future__ import annotations

import signal

import pytest

from experiments.cli import invoke
from experiments.interrupts import caused, ending_at_once


def test_the_handler_of_before_is_put_back() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with ending_at_once():
            assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_handler_of_somebody_else_s_stays() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with ending_at_once():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_only_what_an_interrupt_caused_is_one() -> None:
    wrapped = RuntimeError("Error calling __set_name__")
    wrapped.__cause__ = KeyboardInterrupt()
    handled = RuntimeError("a fault while an interrupt was handled")
    handled.__context__ = KeyboardInterrupt()
    assert caused(wrapped)
    assert not caused(handled)
    assert not caused(None)


def test_an_interrupt_that_python_wraps_is_an_interrupt(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def wrapped(*_: object, **__: object) -> None:
        raise RuntimeError("Error calling __set_name__ on 'cached_property'") from KeyboardInterrupt()

    monkeypatch.setattr("experiments.commands.check.open_scenario", wrapped)
    assert invoke(["check", "demo"]) == 130
    assert capsys.readouterr().err == "interrupted\n"
