"""How help reads: groups, choices, an example at the end of each command."""

from __future__ import annotations

from typing import Any, get_args

from typer.core import TyperCommand, TyperGroup

EVERY_DAY, LOOK_AND_CHECK, UPKEEP, SANDBOX = "Every day", "Look and check", "Upkeep", "Sandbox"


def one_of(choices: Any) -> str:
    """The choices of a ``Literal`` as help shows them."""
    return f"[{'|'.join(get_args(choices))}]"


def example(words: str, *, dated: bool = False) -> str:
    """The last line of a command's help; ``dated`` where its date is one of many."""
    return f"Example{', with a date of your own' if dated else ''}: [bold]sensorstream {words}[/]"


class Command(TyperCommand):
    """A command whose flags are shown without the type that they have for Python."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _plain(super().get_params(ctx))


class Group(TyperGroup):
    """The same of a command of commands."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _plain(super().get_params(ctx))


def _plain(parameters: list[Any]) -> list[Any]:
    for parameter in parameters:
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
    return parameters
