"""What the parts of a configuration have in common: texts, names, strictness. Pure."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict


def text_of(text: str) -> str:
    """``text``; ``ValueError`` where it holds what is no character."""
    if "\0" in text or text != text.encode(errors="ignore").decode():
        raise ValueError("holds a character that is none in a text (NUL, or half of a pair): remove it")
    return text


def _said(text: str) -> str:
    if not text.strip():
        raise ValueError("empty: name one, or leave the key out")
    return text


Text = Annotated[str, AfterValidator(text_of)]
Name = Annotated[Text, AfterValidator(_said)]


class Part(BaseModel):
    """Frozen, and strict about names."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, protected_namespaces=())
