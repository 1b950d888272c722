"""Which columns of a CSV file are the time, the tag, the value and the quality of its readings.

Known are the spellings of the exports of Ignition, AVEVA, PI, Proficy, WinCC, InfluxDB and Canary, and the plain ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ..errors import ConfigError
from .replay_table import Column, shown
from .replay_times import are_times

# By letters and digits alone: "Time Stamp", "time_stamp" and "TimeStamp" are one. The first that a file has counts.
TIME_NAMES = (
    *("timestamp", "datetime", "tstamp", "time", "date", "ts", "timestring", "timestamputc", "datetimeutc", "timeutc"),
    *("utctimestamp", "utcdatetime", "utctime", "sourcetimestamp", "servertimestamp", "eventtime", "zeitstempel"),
)
TAG_NAMES = (
    *("tagpath", "fullpath", "historicaltagname", "path", "tagname", "tag", "pointname", "pointid", "point", "pitag"),
    *("varname", "variablename", "variable", "sensorname", "sensorid", "sensor", "signalname", "signal", "channelname"),
    *("channel", "metric", "itemname", "itemid", "item", "dataitem", "nodeid", "tagid", "field", "measurement"),
    *("seriesname", "series", "name"),
)
# A historian's own tables and AVEVA's fill one of several for each reading.
VALUE_NAMES = (
    *("value", "vvalue", "val", "varvalue", "tagvalue", "datavalue", "sensorvalue", "rawvalue", "reading"),
    *("intvalue", "floatvalue", "stringvalue", "datevalue", "messwert", "wert"),
)
QUALITY_NAMES = ("opcquality", "qualitydetail", "dataintegrity", "qualitycode", "quality", "dataquality")
# Names of tags as well: a quality only where the file has a column of values.
QUALITY_BESIDE_A_VALUE = ("validity", "status", "qual", "q")
# What exports write beside a reading and is none of the four.
BESIDE = ("result", "table", "start", "stop", "timems", "annotated", "questionable", "substituted")


@dataclass(frozen=True)
class Roles:
    """``values`` has a column per tag, or one column whose tags ``tag`` names; ``quality`` is by name of a value."""

    time: Column
    tag: Column | None
    values: list[Column]
    quality: dict[str, Column]
    left_out: list[Column]


@dataclass(frozen=True)
class Named:
    """Names of columns that the user gives; of those not given it is found out. ``time`` may be a date and a clock."""

    time: Sequence[str] = ()
    tag: str | None = None
    values: Sequence[str] = ()
    quality: str | None = None


NOTHING = Named()


def roles(columns: Sequence[Column], given: Named = NOTHING) -> Roles:
    """Say what each column is.

    Raises
    ------
    ConfigError
        It cannot be told what a column is; names it, and what to do.
    """
    file = columns[0].file
    time, others = _time_given(columns, given.time) if given.time else _time(file, columns)
    named = {key(column.name): column for column in reversed(others)}
    values = [_column(columns, name) for name in given.values] or [named[n] for n in VALUE_NAMES if n in named]
    tags = [] if given.values[1:] else [named[name] for name in TAG_NAMES if name in named]
    if given.tag:
        tags = [_column(columns, given.tag)]
    known = QUALITY_NAMES + (QUALITY_BESIDE_A_VALUE if values else ())
    quality = [named[name] for name in known if name in named]
    if given.quality:
        quality = [_column(columns, given.quality)]
    rest = [column for column in others if column not in (*values, *quality)]
    if given.values and not tags:
        return _wide(time, [*values, *quality], quality, rest)
    if values and given.tag:
        left_out = [column for column in rest if column not in tags]
        return replace(_long(time, tags, values, quality, []), left_out=left_out)
    if values:
        return _long(time, tags, values, quality, rest)
    if tags and len(others) > 1:
        raise ConfigError(
            f"{file} has tags in {tags[0].name}, but none of its other columns is known to hold the values"
            f' ({_names(c for c in others if c not in tags)}): name that one "value" (or say which: --value), or rename'
            f" {tags[0].name}"
        )
    return _wide(time, others, quality)


def _column(columns: Sequence[Column], name: str) -> Column:
    for column in columns:
        if name == column.name:
            return column
    raise ConfigError(f'{columns[0].file} has no column "{name}": it has {_names(columns)}')


def _time_given(columns: Sequence[Column], names: Sequence[str]) -> tuple[Column, list[Column]]:
    parts = [_column(columns, name) for name in names]
    cells = [" ".join(cells) for cells in zip(*(part.cells for part in parts), strict=True)]
    time = replace(parts[0], name=" and ".join(names), cells=cells)
    return time, [column for column in columns if column not in parts]


def key(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()


def _names(columns: Iterable[Column]) -> str:
    return ", ".join(shown(column.name) for column in columns)


def _time(file: str, columns: Sequence[Column]) -> tuple[Column, list[Column]]:
    """The column of times, and the other columns; a date and a clock in two columns are put together."""
    named = {key(column.name): column for column in reversed(columns)}
    found = next((named[name] for name in TIME_NAMES if name in named), None)
    if found is None:
        for column in columns:
            if are_times([column.name]):
                raise ConfigError(f"{file} has no header: put a line before it that names its columns")
        times = [column for column in columns if column.cells and are_times(column.cells[:100])]
        if len(times) != 1:
            raise ConfigError(
                f"{file} has {'several columns' if times else 'no column'} of times"
                f" (columns: {_names(times or columns)}): name one timestamp, or say which it is (--time)"
            )
        (found,) = times
    others = [column for column in columns if column is not found]
    day, clock = (found, next(filter(_is_clock, others), None)) if not _is_clock(found) else (_day(others), found)
    if day and clock and _day([day]):
        return _time_given(columns, (day.name, clock.name))
    return found, others


def _is_clock(column: Column) -> bool:
    return bool(column.cells) and all(re.match(r"[0-9]{1,2}:[0-9]{2}", cell) for cell in column.cells)


def _day(columns: Sequence[Column]) -> Column | None:
    """The first that holds dates without a clock."""
    dates = (c for c in columns if c.cells and all(re.fullmatch(r"[0-9]+([-./])[0-9]+\1[0-9]+", d) for d in c.cells))
    return next(dates, None)


def _long(time: Column, tags: list[Column], values: list[Column], quality: list[Column], rest: list[Column]) -> Roles:
    value = _filled(values)
    chosen = {value.name: quality[0]} if quality else {}
    unknown = [column for column in rest if column not in tags and key(column.name) not in BESIDE]
    if not tags and unknown:
        raise ConfigError(
            f"{time.file} has values in {value.name}, but none of its other columns is known to name the tag"
            f' ({_names(unknown)}): name that one "tag", or remove what is none; where each column is a tag of its own,'
            f" rename {value.name}"
        )
    left_out = [column for column in rest if column not in tags] + quality[1:]
    if not tags:
        return Roles(time, None, [value], chosen, left_out)
    tag, *more = tags
    if key(tag.name) == "field" and more and key(more[0].name) == "measurement":  # InfluxDB's two halves of a name
        over = more.pop(0)
        both = [f"{a}/{b}" if a and b else "" for a, b in zip(over.cells, tag.cells, strict=True)]
        tag = replace(tag, name=f"{over.name} and {tag.name}", cells=both)
    for i, cell in enumerate(tag.cells):
        if not cell:
            raise ConfigError(f"line {tag.lines[i]} of {tag.file} names no tag in column {tag.name}: fill it")
    for column in (*more, *unknown):
        _check_same(tag, column)
    return Roles(time, tag, [value], chosen, left_out + more)


def _filled(values: list[Column]) -> Column:
    """One column of the several that hold values, of which a line fills one."""
    first, *others = values
    if not others:
        return first
    cells = []
    for i in range(len(first.cells)):
        filled = {column.cells[i] for column in values if column.cells[i].lower() not in ("", "null")}
        if len(filled) > 1:
            raise ConfigError(
                f"line {first.lines[i]} of {first.file} has values in several columns ({_names(values)}):"
                " leave one of the columns in the file"
            )
        cells.append(filled.pop() if filled else "")
    return replace(first, cells=cells)


def _check_same(tag: Column, column: Column) -> None:
    """Refuse what differs between readings of one tag: it may be what tells two sensors apart."""
    seen: dict[str, str] = {}
    for i, (name, cell) in enumerate(zip(tag.cells, column.cells, strict=True)):
        if seen.setdefault(name, cell) != cell:
            raise column.refusal(
                i,
                f'is "{shown(seen[name])}" in an earlier line of tag "{shown(name)}": put it into column {tag.name} if'
                " it tells two sensors apart, else remove the column",
            )


def _wide(time: Column, others: list[Column], quality: list[Column], left_out: Sequence[Column] = ()) -> Roles:
    named = {key(column.name): column for column in reversed(others)}
    pairs = {
        value.name: named[key(value.name) + name]
        for name in reversed(QUALITY_NAMES)
        for value in others
        if key(value.name) + name in named
    }
    values = [column for column in others if column not in pairs.values()]
    single = [column for column in values if column not in quality]
    if quality and len(single) > 1:
        raise ConfigError(
            f"{time.file} has a quality in {quality[0].name} and values in {len(single)} columns ({_names(single[:3])}"
            f"{'…' if len(single) > 3 else ''}), and does not say whose it is: write a line per tag (time, tag, value,"
            " quality), or rename the column if it is a tag"
        )
    if quality and single:
        return Roles(time, None, single, {single[0].name: quality[0]}, [*quality[1:], *left_out])
    return Roles(time, None, values, pairs, [*left_out])
