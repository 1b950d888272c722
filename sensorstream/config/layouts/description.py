"""A layout of a historian as a description: where its readings and tags are, in names and expressions of SQL. Pure.

``docs/layouts.md`` says what each key means.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, field_validator, model_validator

from ...errors import ConfigError
from ..parts import Name, Part, Said, Zone
from ..wrong_values import sentence

Unit = Literal["ms", "s", "us", "ns", "timestamp", "timestamptz"]

# What queries call the columns of values; of numbers the first that is not NULL counts, and of texts.
NUMBERS = ("floatvalue", "intvalue", "value")
TEXTS = ("stringvalue", "datevalue")
# What stands for a time in the name of a table, and for whatever else.
PLACES = {
    "year": r"(?P<year>\d{4})",
    "month": r"(?P<month>\d{1,2})",
    "day": r"(?P<day>\d{1,2})",
    "any": ".+",
    "n": r"\d+",
}
MOST_OPEN = 3  # places of any length: more ways to share a long name out among them would take ages to try
# Of SQL what may hold any sign: texts, names, comments.
QUOTED = re.compile(r"""'(''|[^'])*'|"(""|[^"])*"|\$(\w*)\$.*?\$\3\$|--[^\n]*|/\*.*?\*/""", re.DOTALL)
SCHEMA = "{schema}"
PLACE = re.compile(r"\{(\w+)\}")


def _in_a_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _one_expression(text: str) -> str:
    depth = 0
    for sign in re.findall(r"[();]", QUOTED.sub("", text)):
        depth += {"(": 1, ")": -1, ";": -1_000}[sign]
        if depth < 0:
            break
    if depth:
        raise ValueError(
            f'"{text}" is not one expression: close each parenthesis that it opens, and write no semicolon'
        )
    return text


Names = Annotated[tuple[Name, ...], BeforeValidator(_in_a_list), Field(strict=False)]
Expression = Annotated[Said, AfterValidator(_one_expression)]
Expressions = Annotated[tuple[Expression, ...], BeforeValidator(_in_a_list), Field(strict=False)]


class Listing(Part):
    """A ``table`` or ``query`` that lists tables of readings: a row for each, its name and its time (ms since 1970).

    Rows whose ``processed`` column is above 0 are of tables that hold no raw readings.
    """

    table: Name | None = None
    query: Expression | None = None
    name: Name
    start: Name
    end: Name
    processed: Name | None = None

    @property
    def called(self) -> str:
        return self.table or "the query that lists tables"

    @model_validator(mode="after")
    def _one_of_both(self) -> Listing:
        if (self.table is None) == (self.query is None):
            raise ValueError('needs "table", or "query" in its place')
        return self


class Tables(Part):
    """Which tables hold readings: those whose names fit one of ``names``, or that a listing names.

    Days and months in names are of ``zone`` (none: that of the configuration).
    """

    names: Names = Field(min_length=1)
    listing: Listing | None = None
    zone: Zone | None = None

    @field_validator("names")
    @classmethod
    def _forms(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            for place in PLACE.findall(name):
                if place not in PLACES:
                    raise ValueError(f'"{name}" has a place "{{{place}}}": known are {", ".join(PLACES)}')
            places = PLACE.findall(name)
            if twice := next((place for place in ("year", "month", "day") if places.count(place) > 1), None):
                raise ValueError(f'"{name}" has the place "{{{twice}}}" twice: leave it once')
            if sum(place in ("any", "n") for place in places) > MOST_OPEN:
                raise ValueError(f'"{name}" has more than {MOST_OPEN} places of any length: write out what they share')
            if places.count("day") > places.count("month") or places.count("month") > places.count("year"):
                raise ValueError(f'"{name}" tells no time: a day needs a month in the name, and a month a year')
        return names

    def form(self, name: str) -> re.Match[str] | None:
        """How ``name`` fits one of the forms, the year, month and day in it by their names; ``None`` if it does not."""
        return next((found for form in map(_pattern, self.names) if (found := form.fullmatch(name))), None)

    def series(self, name: str) -> str:
        """What tables of one driver have in common: their names without the time."""
        found = self.form(name)
        return name[: found.start("year")].rstrip("_") if found and "year" in found.groupdict() else name


def _pattern(name: str) -> re.Pattern[str]:
    """The form of a name as a regular expression; digits that touch others are two."""
    text, end, last = "", 0, ""
    for found in PLACE.finditer(name):
        text += re.escape(name[end : found.start()])
        touches = found.start() == end and last in ("year", "month")
        last = found[1]
        text += PLACES[last].replace("{1,2}", "{2}") if touches else PLACES[last]
        end = found.end()
    return re.compile(text + re.escape(name[end:]))


class Time(Part):
    """The column of a reading's time and its unit; of a whole number of seconds ``nanoseconds`` are another column's,
    and a ``timestamp`` without a zone is in ``zone``."""

    column: Name
    unit: Unit = "ms"
    nanoseconds: Name | None = None
    zone: Zone | None = None

    @model_validator(mode="after")
    def _of_the_unit(self) -> Time:
        if self.nanoseconds and self.unit != "s":
            raise ValueError(f'"nanoseconds" goes with "unit": "s", not with "{self.unit}"')
        if (self.unit == "timestamp") != (self.zone is not None):
            raise ValueError('"zone" goes with "unit": "timestamp", and that needs one, such as "Europe/Berlin"')
        return self


class Wide(Part):
    """Columns that are a tag each: every one that holds numbers or texts but those ``without``, or those ``of`` a path.

    The path of a column is the one under ``of``, else ``path`` with the column's name in it.
    """

    path: Name = "{column}"
    of: dict[Name, Name] = Field(default_factory=dict)
    without: Names = ()

    @model_validator(mode="after")
    def _a_path_each(self) -> Wide:
        if not self.of and "{column}" not in self.path:
            raise ValueError(f'"path" is "{self.path}" for every column: write "{{column}}" where its name is to stand')
        for path in self.of.values():
            if list(self.of.values()).count(path) > 1:
                raise ValueError(f'"of" gives path "{path}" to two columns: give each its own')
        return self


class Readings(Part):
    """Tables of one kind, and where in a row of theirs a reading's parts are.

    ``id`` are the columns that tell the tag, ``numbers`` and ``texts`` expressions of which the first that is not NULL
    counts, ``quality`` an expression of the code (none: every reading is good), ``where`` a condition of rows that are
    readings at all. A ``wide`` table has a column a tag in place of ``id``, ``numbers`` and ``texts``.
    """

    tables: Annotated[
        Tables, BeforeValidator(lambda value: {"names": value} if isinstance(value, str | list) else value)
    ]
    id: Names = ()
    time: Time
    numbers: Expressions = Field((), max_length=len(NUMBERS))
    texts: Expressions = ()
    quality: Expression | None = None
    where: Expression | None = None
    wide: Wide | None = None

    @property
    def columns(self) -> frozenset[str]:
        """Those of its columns that are known by name, not within expressions."""
        given = (*self.numbers, *self.texts, *([self.quality] if self.quality else []))
        return frozenset({*self.id, self.time.column, *(text for text in given if re.fullmatch(r"[a-z_]\w*", text))})

    @property
    def plain(self) -> bool:
        """Whether its columns are called as all queries call them, so that nothing has to be shown by other names."""
        return (
            (self.id, self.time) == (("tagid",), Time(column="t_stamp"))
            and self.quality == "dataintegrity"
            and not self.where
            and self.numbers == tuple(name for name in NUMBERS if name in self.numbers)
            and self.texts == tuple(name for name in TEXTS if name in self.texts)
        )

    @model_validator(mode="after")
    def _one_of_both(self) -> Readings:
        if self.wide and (self.id or self.numbers or self.texts):
            raise ValueError('"wide" tables have no "id", "numbers" or "texts": their columns are the tags')
        if not self.wide and not (self.id and (self.numbers or self.texts)):
            raise ValueError('needs "id" and "numbers" or "texts", or "wide" where each column is a tag')
        return self


class Tags(Part):
    """Where tags are: the rows of a ``table`` (none: the one that "tags_table" names) or of a ``query``.

    The other keys are its columns. ``gateways`` tells that Ignition's tables of gateways and scan classes are there.
    """

    table: Name | None = None
    query: Expression | None = None
    path: Name = "path"
    id: Names = ("id",)
    description: Name | None = None
    unit: Name | None = None
    datatype: Name | None = None
    created: Name | None = None
    retired: Name | None = None
    gateways: bool = False


class Description(Part):
    """A layout. ``needs`` are tables by which "auto" knows it; with neither list of codes all are kept, and a code that
    has one of ``bad_bits`` is not."""

    name: Name = "of its own"
    needs: tuple[Name, ...] = Field((), strict=False)
    readings: Annotated[
        tuple[Readings, ...],
        BeforeValidator(lambda value: [value] if isinstance(value, dict) else value),
        Field(min_length=1, strict=False),
    ]
    tags: Tags | None = None
    good_quality: tuple[int, ...] | None = Field(None, strict=False)
    bad_quality: tuple[int, ...] = Field((), strict=False)
    bad_bits: int = Field(0, ge=0, lt=1 << 32)

    def in_schema(self, schema: str) -> Description:
        """The same with the schema's name, as SQL spells it, for ``{schema}`` in its expressions and queries."""
        text = self.model_dump_json(exclude_none=True)
        spelled = '"' + schema.replace('"', '""') + '"'
        if SCHEMA not in text:
            return self
        try:
            return Description.model_validate_json(text.replace(SCHEMA, json.dumps(spelled)[1:-1]))
        except ValidationError as error:
            raise ConfigError(
                f'layout "{self.name}" with schema {spelled} for {SCHEMA}: {sentence(error, Description)}'
            ) from None

    @model_validator(mode="after")
    def _tags_of_ids(self) -> Description:
        narrow = [kind for kind in self.readings if not kind.wide]
        if bool(narrow) != (self.tags is not None):
            raise ValueError('"tags" is needed where readings have an "id", and only there')
        if narrow and len(narrow) < len(self.readings):
            raise ValueError("wide tables and others are two layouts: write one for each, and ingest each")
        if self.tags:
            for kind in narrow:
                if len(kind.id) != len(self.tags.id):
                    both = f"{', '.join(self.tags.id)}, of the readings {', '.join(kind.id)}"
                    raise ValueError(f'"id" of the tags is {both}: name as many columns, in the same order')
        return self
