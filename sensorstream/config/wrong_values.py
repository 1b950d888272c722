"""The first thing that is wrong with a configuration, in a sentence. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

# What JSON calls it, where pydantic speaks of Python.
LIST, OBJECT = "write a list, [...]", "write an object, {...}"
KINDS = {"tuple_type": LIST, "model_type": OBJECT, "model_attributes_type": OBJECT, "dict_type": OBJECT}
MOST = 1_000  # characters: of what is longer beginning and end are said, the value and what to do
KINDS_OF_LAYOUT = ("name", "description")  # which pydantic puts behind its key


def sentence(error: ValidationError, model: type[BaseModel]) -> str:
    """What ``error`` says first of a value of ``model``."""
    found = _in_words(error, model)
    return found if len(found) <= MOST else f"{found[: MOST // 2]} … {found[-MOST // 2 :]}"


def _in_words(error: ValidationError, model: type[BaseModel]) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    loc = list(first["loc"])
    if loc[:1] == ["layout"] and loc[1:2] and loc[1] in KINDS_OF_LAYOUT:
        del loc[1]
    key = ".".join(map(str, loc))
    if first["type"] == "extra_forbidden":
        known = sorted(_part(model, loc[:-1]).model_fields)
        meant = get_close_matches(str(loc[-1]), known, 1)
        return f'unknown key "{key}": ' + (f'did you mean "{meant[0]}"?' if meant else f"known are {', '.join(known)}")
    if first["type"] == "missing":
        return f'"{key}" is missing: say where the {"historian" if key == "db" else "value"} is'
    message = KINDS.get(first["type"]) or first["msg"].removeprefix("Value error, ")
    return f'"{key}": {message}' if key else message


def _part(model: type[BaseModel], loc: Sequence[str | int]) -> type[BaseModel]:
    """The model of the object that ``loc`` leads to."""
    for name in loc:
        if name in model.model_fields:
            model = next(_models(model.model_fields[str(name)].annotation), model)
    return model


def _models(kind: Any) -> Any:
    kind = getattr(kind, "__value__", kind)  # of an alias
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    for part in get_args(kind):
        yield from _models(part)


def first_of(error: ValidationError) -> tuple[str, str]:
    """Where a value is wrong first, and in pydantic's words how."""
    first = error.errors(include_url=False, include_input=False)[0]
    return ".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ")
