"""How commands are declared: options that several share, and how help reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import is_dataclass
from functools import wraps
from inspect import signature
from typing import Any, get_args

import typer
from typer.core import TyperCommand, TyperGroup

Function = Callable[..., None]

EVERY_DAY, LOOK_AND_CHECK, UPKEEP, SANDBOX = "Every day", "Look and check", "Upkeep", "Sandbox"


def one_of(choices: Any) -> str:
    """The choices of a ``Literal`` as help shows them."""
    return f"[{'|'.join(get_args(choices))}]"


class Commands(typer.Typer):
    """Commands of one panel of the help, each with an ``example`` at its end.

    A parameter whose type is a dataclass stands for its fields, as options.
    """

    def __init__(self, panel: str | None = None, **settings: Any) -> None:
        super().__init__(cls=Group, **settings)
        self._panel = panel

    def command(  # type: ignore[override]
        self, name: str | None = None, *, example: str = "", **settings: Any
    ) -> Callable[[Function], Function]:
        dated = ", with a date of your own" if " 2026-" in example else ""
        epilog = example and f"Example{dated}: [bold]sensorstream {example}[/]"
        register = super().command(name, cls=Command, rich_help_panel=self._panel, epilog=epilog, **settings)

        def declare(function: Function) -> Function:
            register(_spread(function))
            return function

        return declare


def _spread(function: Function) -> Function:
    """``function`` with the fields of its dataclasses as parameters, which Typer asks ``inspect.signature`` for."""
    own = signature(function, eval_str=True)
    kinds: dict[str, Any] = {name: one.annotation for name, one in own.parameters.items()}
    groups: dict[str, Any] = {name: kind for name, kind in kinds.items() if is_dataclass(kind)}
    fields = {name: signature(group, eval_str=True).parameters for name, group in groups.items()}

    @wraps(function)
    def spread(**given: Any) -> None:
        made = {name: groups[name](**{field: given.pop(field) for field in fields[name]}) for name in groups}
        function(**made, **given)

    parameters = [each for name, one in own.parameters.items() for each in fields.get(name, {name: one}).values()]
    spread.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    return spread


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
