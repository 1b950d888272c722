"""A CSV or Parquet file of sensor readings as series, one per tag. Pure but for opening the file.

Wide: a time column, then a column per sensor. Long: a time column, one that names the tag, one of values, and perhaps
one of quality. Which of the two it is, the delimiter, the order of day and month and the decimal mark are found out,
and said where somebody might have meant it otherwise; what cannot be decided is refused in one sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ..errors import ConfigError
from .ignition_values import DATATYPE_FLOAT, DATATYPE_INT, DATATYPE_STRING, GOOD_QUALITY, moment
from .replay_columns import NOTHING, Named, Roles, key, roles
from .replay_numbers import INTEGER, Value, decimal_marks, is_number, typed
from .replay_table import Column, read_columns, shown
from .replay_times import instants, parse_times

NO_READING = ("", "nan", "-nan", "null", "none", "n/a")
QUALITY_WORDS = {"good": GOOD_QUALITY, "uncertain": 64, "bad": 0}
VALIDITY = {"1": GOOD_QUALITY, "0": 0}  # WinCC's
KINDS = {DATATYPE_INT: "whole numbers", DATATYPE_FLOAT: "numbers", DATATYPE_STRING: "text"}
HEXADECIMAL = re.compile(r"0x[0-9a-f]{1,8}")


@dataclass(frozen=True)
class Series:
    """The readings of one tag in the order of the file; ``values`` are all int, float or str, as ``datatype`` says."""

    path: str
    datatype: int
    t_stamp: list[int]
    values: Sequence[Value]
    quality: list[int]


@dataclass(frozen=True)
class Recording:
    """What a file holds; ``remarks`` say how it was read where somebody might have meant it otherwise.

    ``made`` says of each column what was made of it.
    """

    series: list[Series]
    remarks: list[str]
    made: list[tuple[str, str]]


def read_series(file: Path, *, prefix: str | None = None, timezone: str = "UTC", named: Named = NOTHING) -> Recording:
    """Series of a CSV or Parquet file; tag paths are ``<prefix or file stem>/<column or tag name>``.

    A column is int if every cell is an integer literal that fits 64 bits (``true`` and ``false`` are 1 and 0), float
    if every cell is a number, else text. ``0.0`` stays a float. An empty cell, and ``NaN``, is no reading. Times are
    exact to the millisecond; what is finer is cut off.

    Raises
    ------
    ConfigError
        The file cannot be read as sensor readings, or in more than one way; says which line and why.
    """
    columns, delimiter = read_columns(file)
    known = roles(columns, named)
    walls, remark = parse_times(known.time)
    tags = known.tag.cells if known.tag else [""] * len(walls)
    times, remarks = instants(known.time, walls, tags, _zone(known.time, timezone))
    if remark:
        remarks.insert(0, remark)
    if known.left_out:
        remarks.append(f"columns left out: {', '.join(column.name for column in known.left_out)}")
    written = list(_written(known))
    cells = (column.cells for _, column, _, _ in written)
    marks = decimal_marks(cell for of_tag in cells if all(map(is_number, of_tag)) for cell in of_tag)
    root = f"{file.stem if prefix is None else prefix.rstrip('/')}/".lstrip("/")
    series: list[Series] = []
    texts: list[str] = []
    grouped: list[str] = []
    for tag, column, rows, quality in written:
        path = root + tag
        if len(path) > 255:
            raise ConfigError(f"{file.name}: tag path {path[:60]}… is longer than 255 characters: shorten it")
        datatype, values, said = typed(column, marks, delimiter)
        if said:
            (texts if datatype == DATATYPE_STRING else grouped).append(said)
        series.append(Series(path, datatype, [times[i] for i in rows], values, quality))
    if texts:
        remarks.append(f"read as text: {_first(texts)}")
    if grouped:
        decimal = "commas" if marks == {","} else "points"
        remarks.append(f"decimal {decimal}, as other numbers of the file tell: {_first(grouped)}")
    if known.quality and not any(GOOD_QUALITY in each.quality for each in series):
        remarks.append(f"not one reading is of good quality ({GOOD_QUALITY}): is that what the file means?")
    if not series:
        raise ConfigError(f"{file} holds no reading: nothing to replay")
    return Recording(series, remarks, _made(known, series, root))


def shortened(made: Sequence[tuple[str, str]], most: int = 20) -> list[tuple[str, str]]:
    """The first of many columns, and how many more there are."""
    more = [("…", f"and {len(made) - most:,} columns more")] if len(made) > most else []
    return [*made[:most], *more]


def _made(known: Roles, series: Sequence[Series], root: str) -> list[tuple[str, str]]:
    """Each column, and what was made of it."""
    times = [t for each in series for t in each.t_stamp]
    first, last = (f"{moment(t):%Y-%m-%d %H:%M:%S}" for t in (min(times), max(times)))
    made = [(known.time.name, f"time, {first} to {last} UTC")]
    if known.tag:
        made += [(known.tag.name, f"names the tag: {_first([each.path for each in series])}")]
        made += [(column.name, f"value, {len(times):,} readings") for column in known.values]
    else:
        of = {each.path.removeprefix(root): each for each in series}
        for column in known.values:
            found = of.get(column.name)
            kind = f", {KINDS[found.datatype]}, {len(found.t_stamp):,} readings" if found else " without a reading"
            made.append((column.name, f"tag {root}{column.name}{kind}"))
    made += [(column.name, f"quality of {name}") for name, column in known.quality.items()]
    return made + [(column.name, "left out") for column in known.left_out]


def _first(said: list[str]) -> str:
    return ", ".join(said[:3]) + (f" and {len(said) - 3} more" if said[3:] else "")


def _zone(time: Column, timezone: str) -> ZoneInfo:
    """The zone of times that name none: the one that the column's name tells, else the given one."""
    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: "Europe" is a folder
        raise ConfigError(f'time zone "{timezone}" is not known: use an IANA name such as "Europe/Vienna"') from None
    return ZoneInfo("UTC") if "utc" in key(time.name) else zone


def _written(known: Roles) -> Iterator[tuple[str, Column, list[int], list[int]]]:
    """Each tag that has a reading, with its cells, their rows in the file and their quality codes."""
    for column in known.values:
        quality = known.quality.get(column.name)
        codes = _codes(quality) if quality else [GOOD_QUALITY] * len(column.cells)
        rows_of: dict[str, list[int]] = {}
        for i, cell in enumerate(column.cells):
            if cell.lower() not in NO_READING:
                rows_of.setdefault(known.tag.cells[i] if known.tag else column.name, []).append(i)
        for tag, rows in rows_of.items():
            values = column.only(rows)
            if known.tag:
                values = replace(values, name=f"{column.name} of {shown(tag)}")
            yield tag, values, rows, [codes[i] for i in rows]


def _codes(column: Column) -> list[int]:
    """Quality codes as the historian's column of 32 bits holds them; OPC UA's unsigned ones keep their bits."""
    words = QUALITY_WORDS | (VALIDITY if key(column.name) == "validity" else {})
    made = []
    for i, cell in enumerate(column.cells):
        text = cell.lower()
        if text in words or not text:
            made.append(words.get(text, GOOD_QUALITY))
            continue
        code = int(text, 16) if HEXADECIMAL.fullmatch(text) else int(text) if INTEGER.fullmatch(text) else 1 << 32
        if not -(1 << 31) <= code < 1 << 32:
            raise ConfigError(
                f'line {column.lines[i]} of {column.file}: quality "{shown(cell)}" in column {column.name} is no code:'
                " write 192"
            )
        made.append(code - (1 << 32) if code >= 1 << 31 else code)
    return made
