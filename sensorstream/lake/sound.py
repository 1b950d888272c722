"""What the objects of the bookkeeping must be before anything in them is believed: people and programs may have been at
them. Each refusal is the rest of a sentence that begins with the object's name. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from ..config.parts import Zone
from ..config.strict_json import parsed
from ..config.wrong_values import first_of
from ..transform.parquet import table_of

FORMAT = 1
MEND = "run verify with repair=True (command: --repair)"
FIRST, LAST = -62_135_596_800, 253_402_300_799  # of what a calendar has, s since 1970


def _key(key: str) -> str:
    if any(part == "" or part.startswith(".") for part in key.split("/")) or "\0" in key.encode().decode():
        raise ValueError("is no name of an object")
    return key


Key = Annotated[str, AfterValidator(_key)]


class Strict(BaseModel):
    """Nothing is taken for something else, and nothing unknown is passed over."""

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)  # few runs need all of them


class _Holder(Strict):
    host: str
    pid: int
    born: str


class _Lease(Strict):
    id: Annotated[str, Field(pattern=r"^[\w-]{1,64}$")]
    what: str
    phase: Literal["writing", "settling"]
    holder: _Holder
    beat: int


Month = Annotated[str, Field(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$")]
StateKey = Annotated[str, Field(pattern=r"^_sensorstream/state/[a-z]+-[0-9]{4}-[0-9]{2}-[0-9a-f]{16}\.parquet$")]


class New(Strict):
    """A journal of keys that are new to the lake."""

    new: list[Key]


class _Root(Strict):
    """As ``manifest.Root``; what a mark is, only ``late.detect`` knows."""

    files: dict[Month, StateKey]
    pieces: dict[Month, StateKey]
    marks: dict[str, dict[str, Any]]
    frames: int = Field(0, ge=0)
    turn: _Lease | None = None
    timezone: Zone | None = None
    iceberg: dict[str, Key | Literal[""]] | None = None


Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
SETTLING = TypeAdapter(list[tuple[list[Key], list[tuple[Digest, Key]]]], config=ConfigDict(defer_build=True))
NEW = TypeAdapter(New)


def root_of(data: bytes) -> dict[str, Any]:
    """The fields of ``manifest.Root``; ``ValueError`` where ``data`` is none that this version knows."""
    remedy = f"restore it as it was, or, where nobody can, remove it and {MEND}"
    try:
        root = _json(data)
        known = root.pop("format", None) if isinstance(root, dict) else None
        if known == FORMAT:
            return _checked(_Root.model_validate, root) and root
        why = 'is not a manifest, which has a "format"'
        if isinstance(known, int) and known > FORMAT:
            why, remedy = "is of a newer format", "upgrade SensorStream to the version that wrote it"
        raise ValueError(why)
    except ValueError as error:
        raise ValueError(f"{error}: {remedy}") from None


def journal_of(data: bytes | None, form: TypeAdapter[Any], none: Any) -> Any:
    """What a journal says, as ``NEW`` or ``SETTLING`` have it; ``none`` where there is no journal."""
    try:
        return none if data is None else _checked(form.validate_python, _json(data), strict=False)
    except ValueError as error:
        raise ValueError(f"{error}: remove it, then {MEND}") from None


def state_of(key: str, data: bytes | None, *schemas: pa.Schema) -> pa.Table:
    """The rows of a state file, of one of ``schemas``; ``ValueError`` where ``data`` is not what ``key`` was."""
    if data is None:
        raise ValueError("is missing")
    if not key.endswith(f"-{hashlib.sha256(data).hexdigest()[:16]}.parquet"):
        raise ValueError("is not what was written")
    table = rows_in(data, *schemas)
    if why := _nonsense(table):
        raise ValueError(f"holds {why}")
    return table


def rows_in(data: bytes, *schemas: pa.Schema, columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of a file of one of ``schemas``, of these ``columns``, else of all; ``ValueError`` where it is none."""
    try:
        table = table_of(data, columns)
        schema = next((schema for schema in schemas if schema.names == table.schema.names), None)
        if schema is None:
            raise ValueError(f"has the columns {', '.join(table.schema.names)}")
        table = table.cast(schema)
        table.validate(full=True)  # UTF-8 among others
        return table
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ValueError(f"cannot be read ({(str(error).splitlines() or [''])[0]})") from None


def _nonsense(table: pa.Table) -> str | None:
    """What rows that SensorStream wrote never have."""
    if not table.num_rows:
        return "no row"
    needed = [name for name in table.column_names if "digest" in table.column_names or name not in ("rows", "hash")]
    if empty := next((name for name in needed if table.column(name).null_count), None):
        return f"a row without {empty}"
    for first, last, unit in (("start", "end", 1), ("first_ms", "last_ms", 1000)):
        if first in table.column_names:
            begin, stop = table.column(first), table.column(last)
            if pc.min(begin).as_py() < FIRST * unit or pc.max(stop).as_py() > LAST * unit:
                return f"{first} or {last} that no calendar has"
            if pc.any(pc.greater_equal(begin, stop) if unit == 1 else pc.greater(begin, stop)).as_py():
                return f"a row whose {last} comes before its {first}"
    return None


def _json(data: bytes) -> Any:
    try:
        return parsed(data.decode())
    except UnicodeDecodeError:
        raise ValueError("is not JSON in UTF-8") from None
    except ValueError as error:
        raise ValueError(str(error).partition(":")[0]) from None


def _checked(validate: Callable[..., Any], value: Any, **how: Any) -> Any:
    try:
        return validate(value, **how)
    except ValidationError as error:
        place, why = first_of(error)
        raise ValueError(f'is damaged at "{place[:80]}" ({why})') from None
