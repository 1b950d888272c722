"""What the parts of a configuration have in common: texts, names, strictness. Pure."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from typing_extensions import TypeAliasType

from ..errors import ConfigError
from ..windows import zone


def text_of(text: str) -> str:
    """``text``; ``ValueError`` where it holds what is no character."""
    if "\0" in text or text != text.encode(errors="ignore").decode():
        raise ValueError("holds a character that is none in a text (NUL, or half of a pair): remove it")
    return text


def _said(text: str) -> str:
    if not text.strip():
        raise ValueError("empty: name one, or leave the key out")
    return text


def _known_zone(name: str) -> str:
    try:
        zone(name)
    except ConfigError as error:
        raise ValueError(str(error).removeprefix("timezone ")) from None
    return name


# Aliases with a name, by which help() calls them.
Text = TypeAliasType("Text", Annotated[str, AfterValidator(text_of)])
Said = TypeAliasType("Said", Annotated[Text, AfterValidator(_said)])
Name = TypeAliasType("Name", Annotated[Said, Field(max_length=1_000)])  # which a sentence can say
Zone = TypeAliasType("Zone", Annotated[Text, AfterValidator(_known_zone)])


class Part(BaseModel):
    """Frozen, and strict about names."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, protected_namespaces=())
