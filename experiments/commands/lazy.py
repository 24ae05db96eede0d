"""Commands whose files are imported when they are called: ``detabed --help`` needs names and help texts only."""

from __future__ import annotations

from collections.abc import Mapping
from pkgutil import resolve_name
from typing import Any

import click
import typer
from typer.core import TyperGroup

from experiments.interrupts import ending_at_once

TYPER_SUGGESTS = not hasattr(click.exceptions, "NoSuchCommand")
"""Whether typer names the nearest command: from 8.4 on click does, and it would be named twice."""


class LazyCommand(click.Command):
    """A command known by name and help text until it is called.

    Args:
        name: As it is typed.
        place: ``module:function`` below ``experiments.commands``.
        text: Its help.
    """

    def __init__(self, name: str, place: str, text: str) -> None:
        super().__init__(name, help=text)
        self._place = place

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Context of the real command: click runs the command that a context names."""
        return self.loaded().make_context(info_name, args, parent, **extra)

    def loaded(self) -> click.Command:
        """The real command; its file is imported now."""
        single = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
        with ending_at_once():
            function = resolve_name(f"experiments.commands.{self._place}")
        single.command(name=self.name, help=self.help)(function)
        return typer.main.get_command(single)


def group(name: str, text: str, commands: Mapping[str, tuple[str, str]]) -> TyperGroup:
    """A command of commands, ``{name: (module:function, help)}``."""
    return TyperGroup(
        name=name,
        help=text,
        no_args_is_help=True,
        rich_markup_mode="rich",
        suggest_commands=TYPER_SUGGESTS,
        commands={each: LazyCommand(each, *found) for each, found in commands.items()},
    )
