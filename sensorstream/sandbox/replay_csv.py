"""A CSV file of sensor readings as series, one per tag. Pure but for opening the file.

Wide: a time column, then a column per sensor. Long: a time column, a column that names the tag (``tag``, ``tagpath``,
``name``, ``sensor``), a column ``value``, and perhaps one ``quality``. Which of the two it is, the delimiter and the
time column are found out; what cannot be decided is refused in one sentence.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ..errors import ConfigError
from .ignition_schema import DATATYPE_FLOAT, DATATYPE_INT, DATATYPE_STRING, EPOCH, GOOD_QUALITY

TIME_NAMES = ("timestamp", "datetime", "date_time", "date time", "t_stamp", "time", "date", "ts")
TAG_NAMES = ("tagpath", "tag", "tag_name", "sensor", "sensor_id", "name")
QUALITY_NAMES = ("quality", "dataintegrity")
NO_READING = ("", "nan", "null", "none", "n/a")
TIME_FORMATS = tuple(
    f"{day} {clock}"
    for day in ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d")
    for clock in ("%H:%M:%S.%f", "%H:%M:%S", "%H:%M")
)
QUALITY_WORDS = {"good": GOOD_QUALITY, "bad": 0}
INTEGER = re.compile(r"[+-]?[0-9]+")
MILLISECOND = timedelta(milliseconds=1)

Value = int | float | str


@dataclass(frozen=True)
class Series:
    """The readings of one tag in the order of the file; ``values`` are all int, float or str, as ``datatype`` says."""

    path: str
    datatype: int
    t_stamp: list[int]
    values: Sequence[Value]
    quality: list[int]


def read_series(file: Path, *, prefix: str | None = None, timezone: str = "UTC") -> list[Series]:
    """Series of a CSV file; tag paths are ``<prefix or file stem>/<column or tag name>``.

    A column is int if every cell is an integer literal that fits 64 bits (``true`` and ``false`` are 1 and 0), float
    if every cell is a number, else text. ``0.0`` stays a float. An empty cell, and ``NaN``, is no reading. Where the
    delimiter is not a comma, ``1,5`` is a number. Times are exact to the millisecond; what is finer is cut off.
    """
    header, lines, rows, decimal_comma = _read(file)
    wanted = [name.strip() for name in header]
    if len(set(wanted)) < len(wanted):
        twice = next(name for name in wanted if wanted.count(name) > 1)
        raise ConfigError(f'{file.name} has two columns "{twice}": rename one')
    cells = list(zip(*rows, strict=True)) or [()] * len(wanted)
    columns: dict[str, tuple[str, ...]] = dict(zip(wanted, cells, strict=True))
    named = {name.lower(): name for name in wanted}
    time_column = _time_column(file, columns, named, timezone)
    times = _times(file, time_column, columns.pop(time_column), lines, timezone)
    root = f"{file.stem if prefix is None else prefix.rstrip('/')}/".lstrip("/")
    tag_column = next((named[n] for n in TAG_NAMES if n in named and named[n] in columns), None)
    if tag_column and "value" in named:
        series = _long(file, root, columns, named, tag_column, times, lines, decimal_comma)
    else:
        series = [
            made for name, cells in columns.items() if (made := _series(root + name, times, cells, None, decimal_comma))
        ]
    for each in series:
        if len(each.path) > 255:
            raise ConfigError(f"{file.name}: tag path {each.path[:60]}… is longer than 255 characters: shorten it")
    return series


def parse_times(cells: Sequence[str], timezone: str) -> list[int] | None:
    """Epoch milliseconds of a column of times, all written alike; None if they are not times."""
    zone = ZoneInfo(timezone)
    for parse in (_epoch, datetime.fromisoformat):
        parsed = _all(parse, cells)
        if parsed is not None:
            return _instants(parsed, zone)
    fitting = [p for p in (_all(_format(form), cells) for form in TIME_FORMATS) if p is not None]
    if not fitting:
        return None
    if any(other != fitting[0] for other in fitting[1:]):
        raise ConfigError(f'times such as "{cells[0]}" can mean day/month or month/day: write them as YYYY-MM-DD')
    return _instants(fitting[0], zone)


def _read(file: Path) -> tuple[list[str], list[int], list[list[str]], bool]:
    """Header, line numbers and cells of the rows, and whether a comma can be a decimal comma."""
    try:
        text = file.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from None
    try:
        decoded = text.decode("utf-8-sig")
    except UnicodeDecodeError:
        decoded = text.decode("cp1252", errors="replace")  # what spreadsheets write where UTF-8 is not the rule
    if "\0" in decoded:
        raise ConfigError(f"{file.name} holds NUL characters: it is not a CSV file in UTF-8")
    delimiter = _delimiter(file, decoded)
    reader = csv.reader(io.StringIO(decoded, newline=""), delimiter=delimiter)
    lines, rows = [], []
    for row in reader:
        if any(cell.strip() for cell in row):
            lines.append(reader.line_num)
            rows.append(row)
    header = rows.pop(0)
    for line, row in zip(lines[1:], rows, strict=True):
        if len(row) != len(header):
            raise ConfigError(
                f"line {line} of {file.name} has {len(row)} cells, its header {len(header)}: mend the line"
            )
    return header, lines[1:], rows, delimiter != ","


def _delimiter(file: Path, text: str) -> str:
    head = [line for line in text.splitlines() if line.strip()][:2]
    widths = {d: [len(row) for row in csv.reader(head, delimiter=d)] for d in ",;\t"}
    fitting = {d: w[0] for d, w in widths.items() if w and w[0] > 1 and len(set(w)) == 1}
    best = fitting or {d: w[0] for d, w in widths.items() if w and w[0] > 1}
    if not best:
        raise ConfigError(
            f"{file.name} has no two columns separated by comma, semicolon or tab: it needs a time and a value"
        )
    return max(best, key=lambda d: best[d])


def _time_column(file: Path, columns: dict[str, tuple[str, ...]], named: dict[str, str], timezone: str) -> str:
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError):
        raise ConfigError(f'time zone "{timezone}" is not known: use an IANA name such as "Europe/Vienna"') from None
    for name in TIME_NAMES:
        if name in named:
            return named[name]
    for name, cells in columns.items():
        if cells and parse_times(cells[:100], timezone) is not None:
            return name
    raise ConfigError(f"{file.name} has no column of times (columns: {', '.join(columns)}): name one timestamp")


def _times(file: Path, column: str, cells: tuple[str, ...], lines: list[int], timezone: str) -> list[int]:
    stripped = [cell.strip() for cell in cells]
    times = parse_times(stripped, timezone)
    if times is not None:
        return times
    line, cell = next(
        ((n, c) for n, c in zip(lines, stripped, strict=True) if parse_times([c], timezone) is None),
        (lines[0], stripped[0]),
    )
    raise ConfigError(
        f'line {line} of {file.name}: "{cell}" in column {column} is no time, or written unlike the others:'
        " use ISO 8601 or epoch milliseconds throughout"
    )


def _long(
    file: Path,
    root: str,
    columns: dict[str, tuple[str, ...]],
    named: dict[str, str],
    tag_column: str,
    times: list[int],
    lines: list[int],
    decimal_comma: bool,
) -> list[Series]:
    quality_column = next((named[n] for n in QUALITY_NAMES if n in named), None)
    quality = [GOOD_QUALITY] * len(times)
    if quality_column:
        quality = list(_qualities(file, quality_column, columns[quality_column], lines))
    rows_of: dict[str, list[int]] = {}
    for i, tag in enumerate(columns[tag_column]):
        rows_of.setdefault(tag.strip(), []).append(i)
    if "" in rows_of:
        raise ConfigError(f"line {lines[rows_of[''][0]]} of {file.name} names no tag in column {tag_column}: fill it")
    values = columns[named["value"]]
    made = (
        _series(
            root + tag, [times[i] for i in rows], [values[i] for i in rows], [quality[i] for i in rows], decimal_comma
        )
        for tag, rows in rows_of.items()
    )
    return [series for series in made if series]


def _qualities(file: Path, column: str, cells: tuple[str, ...], lines: list[int]) -> Iterator[int]:
    for line, cell in zip(lines, cells, strict=True):
        text = cell.strip().lower()
        if not text or text in QUALITY_WORDS:
            yield QUALITY_WORDS.get(text, GOOD_QUALITY)
        elif INTEGER.fullmatch(text) and abs(int(text)) < 1 << 31:
            yield int(text)
        else:
            raise ConfigError(f'line {line} of {file.name}: quality "{cell}" in column {column} is no code: write 192')


def _series(
    path: str, times: list[int], cells: Sequence[str], quality: list[int] | None, decimal_comma: bool
) -> Series | None:
    kept = [i for i, cell in enumerate(cells) if cell.strip().lower() not in NO_READING]
    if not kept:
        return None
    datatype, values = _typed([cells[i].strip() for i in kept], decimal_comma)
    good = [GOOD_QUALITY] * len(kept) if quality is None else [quality[i] for i in kept]
    return Series(path, datatype, [times[i] for i in kept], values, good)


def _typed(cells: list[str], decimal_comma: bool) -> tuple[int, Sequence[Value]]:
    if all(INTEGER.fullmatch(cell) for cell in cells):
        whole = [int(cell) for cell in cells]
        if all(-(1 << 63) <= n < 1 << 63 for n in whole):
            return DATATYPE_INT, whole
    truths = {"true": 1, "false": 0}
    if all(cell.lower() in truths for cell in cells):
        return DATATYPE_INT, [truths[cell.lower()] for cell in cells]
    numbers = [cell.replace(",", ".") if decimal_comma and "." not in cell else cell for cell in cells]
    if not any("_" in number for number in numbers):  # which float() would take for a separator
        try:
            return DATATYPE_FLOAT, [float(number) for number in numbers]
        except ValueError:
            pass
    return DATATYPE_STRING, cells


def _all(parse: Callable[[str], datetime], cells: Sequence[str]) -> list[datetime] | None:
    try:
        return [parse(cell.strip()) for cell in cells]
    except (ValueError, OverflowError):
        return None


def _epoch(cell: str) -> datetime:
    """Seconds or milliseconds since 1970; the border between the two is the year 5138, or March 1973."""
    if not re.fullmatch(r"[0-9]{9,14}(\.[0-9]+)?", cell):
        raise ValueError(cell)
    whole, _, fraction = cell.partition(".")
    if len(whole) > 11:
        return EPOCH + timedelta(milliseconds=int(whole))
    return EPOCH + timedelta(seconds=int(whole), milliseconds=int(f"{fraction}000"[:3]))


def _format(form: str) -> Callable[[str], datetime]:
    return lambda cell: datetime.strptime(cell, form)


def _instants(parsed: list[datetime], zone: ZoneInfo) -> list[int]:
    """Epoch ms. Local times that the end of summer time repeats are told apart by the clock going back in the file."""
    made: list[int] = []
    before: datetime | None = None
    for wall in parsed:
        local = wall.replace(tzinfo=zone) if wall.tzinfo is None else wall
        if wall.tzinfo is None and before is not None and zone.key != "UTC":
            second = local.replace(fold=1)
            twice = local.utcoffset() != second.utcoffset() and local.astimezone(UTC) < second.astimezone(UTC)
            if twice and (wall < before or before.fold):
                local, wall = second, wall.replace(fold=1)
        before = wall if wall.tzinfo is None else None
        made.append((local - EPOCH) // MILLISECOND)
    return made
