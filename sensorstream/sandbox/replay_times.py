"""Times as people and exports write them, as epoch milliseconds.

What can be read in two ways (day and month, the hour that comes twice) is decided by the rest of the file, which is
said, or refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from .ignition_values import EPOCH, epoch_ms
from .replay_table import Column, shown

# Beyond these stands what programs write for "no time": 0001-01-01, 1601-01-01, 1899-12-30, 9999-12-31.
FIRST_YEAR, LAST_YEAR = 1900, 2199
MILLISECOND = timedelta(milliseconds=1)
MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
WORDS = {"d": "day", "m": "month", "y": "year", "b": "month"}
PARTS = {
    "d": "(?P<day>[0-9]{1,2})",
    "m": "(?P<month>[0-9]{1,2})",
    "y": "(?P<year>[0-9]{4}|[0-9]{2})",
    "b": "(?P<name>[A-Za-z]{3,9})",
}
CLOCK = r"(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]+))?)?"

Parse = Callable[[str], datetime]  # ValueError where the cell is written otherwise


def _epoch(digits: str, per_second: int) -> Parse:
    pattern = re.compile(rf"([0-9]{{{digits}}})(?:\.([0-9]+))?")

    def parse(cell: str) -> datetime:
        if not (found := pattern.fullmatch(cell)):
            raise ValueError(cell)
        nine_more = f"{found[2] or ''}000000000"[:9]
        return EPOCH + timedelta(microseconds=int(found[1] + nine_more) // (per_second * 1000))

    return parse


def _fields(pattern: str) -> Parse:
    compiled = re.compile(pattern, re.IGNORECASE)

    def parse(cell: str) -> datetime:
        if not (found := compiled.fullmatch(cell)):
            raise ValueError(cell)
        part = {name: text for name, text in found.groupdict().items() if text}
        year, hour = int(part["year"]), int(part.get("hour", 0))
        if len(part["year"]) == 2:
            year += 1900 if year >= 69 else 2000  # as POSIX has it
        if "half" in part:
            if not 1 <= hour <= 12:
                raise ValueError(cell)
            hour = hour % 12 + 12 * (part["half"].upper() == "P")
        return datetime(
            year,
            int(part["month"]) if "month" in part else _month(part["name"]),
            int(part["day"]),
            hour,
            int(part.get("minute", 0)),
            int(part.get("second", 0)),
            int(f"{part.get('fraction', '')}000000"[:6]),
        )

    return parse


def _month(name: str) -> int:
    return [full.startswith(name.lower()) for full in MONTHS].index(True) + 1


def _calendar(order: str, mark: str) -> Iterator[tuple[str, Parse]]:
    """A date without and with a clock of twelve hours; all of a column are written with the same one."""
    date = re.escape(mark).join(PARTS[part] for part in order)
    if order == "bdy":  # Oct 14, 2026
        date = f"{PARTS['b']} {PARTS['d']}, {PARTS['y']}"
    label = mark.join(WORDS[part] for part in order)
    yield label, _fields(rf"{date}(?:[\sT,]+{CLOCK})?")
    yield label, _fields(rf"{date}[\sT,]+{CLOCK}\s?(?P<half>[AP])\.?M\.?")


# Of the first group that has a form for all cells; within a group several may have, and then must agree.
FORMS: tuple[tuple[tuple[str, Parse], ...], ...] = (
    (
        ("seconds since 1970", _epoch("9,11", 1)),
        ("milliseconds since 1970", _epoch("12,13", 1000)),
        ("microseconds since 1970", _epoch("15,16", 10**6)),
        ("nanoseconds since 1970", _epoch("18,19", 10**9)),
        (
            "year month day hour",
            _fields(
                "(?P<year>(?:19|20)[0-9]{2})(?P<month>[0-9]{2})(?P<day>[0-9]{2})(?P<hour>[0-9]{2})"
                "(?:(?P<minute>[0-9]{2})(?:(?P<second>[0-9]{2})(?P<fraction>[0-9]{3})?)?)?"
            ),
        ),
    ),
    (("ISO 8601", datetime.fromisoformat),),
    tuple(
        form
        for mark, orders in {"/": "dmy mdy ymd", "-": "dmy mdy ymd dby", ".": "dmy ymd", " ": "dby bdy"}.items()
        for order in orders.split()
        for form in _calendar(order, mark)
    ),
)


def are_times(cells: Sequence[str]) -> bool:
    return any(len(list(_walls(parse, cells))) == len(cells) for group in FORMS for _, parse in group)


def parse_times(column: Column) -> tuple[list[datetime], str | None]:
    """Times of the cells, all written alike, local ones without a zone; and what is to be said about it.

    Raises
    ------
    ConfigError
        A cell is no time, is written unlike the others, or all of them can be read in two ways.
    """
    furthest = 0
    for group in FORMS:
        tried = [(label, list(_walls(parse, column.cells))) for label, parse in group]
        whole = {label: walls for label, walls in tried if len(walls) == len(column.cells)}
        if not whole:
            furthest = max(furthest, *(len(walls) for _, walls in tried))
            continue
        (label, walls), *others = whole.items()
        for other, meant in others:
            row = next((i for i, (a, b) in enumerate(zip(walls, meant, strict=True)) if a != b), None)
            if row is not None:
                raise column.refusal(row, f"can be {label} or {other}, and no other line tells: write YYYY-MM-DD")
        row = next((i for i, wall in enumerate(walls) if (wall.tzinfo is None) != (walls[0].tzinfo is None)), None)
        if row is not None:
            raise column.refusal(row, "names an offset from UTC where others do not, or the reverse: write all alike")
        return walls, _remark(column, label, walls, [len(w) for other, w in tried if other not in whole])
    raise column.refusal(
        furthest, "is no time, or written unlike the others: use ISO 8601 or epoch milliseconds throughout"
    )


def _remark(column: Column, label: str, walls: list[datetime], given_up: list[int]) -> str | None:
    """What decided the order of day and month, where the first line alone does not."""
    row = max(given_up, default=0)
    if row:
        return f'times are {label}: no other order fits line {column.lines[row]} ("{shown(column.cells[row])}")'
    if label == "day.month.year" and all(wall.day <= 12 for wall in walls):
        return f'times such as "{column.cells[0]}" are read as {label}'
    return None


def _walls(parse: Parse, cells: Sequence[str]) -> Iterator[datetime]:
    """Times up to the first cell that is written otherwise."""
    for cell in cells:
        try:
            yield parse(cell)
        except (ValueError, OverflowError):
            return


def instants(column: Column, walls: list[datetime], tags: Sequence[str], zone: ZoneInfo) -> tuple[list[int], list[str]]:
    """Epoch milliseconds of the rows, finer ones cut off; and what is to be said about hours that come twice.

    ``tags`` names whose reading each row is: the rows of one tag stand in the order of time, or in the reverse of it.
    """
    folds, remarks = _folds(column, walls, tags, zone) if zone.key != "UTC" else ({}, [])
    first, end = (epoch_ms(datetime(year, 1, 1, tzinfo=UTC)) for year in (FIRST_YEAR, LAST_YEAR + 1))
    made = []
    for i, wall in enumerate(walls):
        local = wall.replace(tzinfo=zone, fold=folds.get(i, 0)) if wall.tzinfo is None else wall
        made.append((local - EPOCH) // MILLISECOND)
        if not first <= made[-1] < end:
            raise column.refusal(i, f"lies outside the years {FIRST_YEAR} to {LAST_YEAR}: mend or remove the line")
    return made, remarks


def _folds(
    column: Column, walls: list[datetime], tags: Sequence[str], zone: ZoneInfo
) -> tuple[dict[int, int], list[str]]:
    """For each row in an hour that comes twice, whether it is the second one."""
    twice: dict[datetime, list[int]] = {}
    for i, wall in enumerate(walls):
        if wall.tzinfo is None:
            before, after = (wall.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
            if before is not None and after is not None and before < after:
                raise column.refusal(i, f"does not exist in {zone.key}, where clocks go forward: name the file's zone")
            if before != after:
                twice.setdefault(datetime(wall.year, wall.month, wall.day), []).append(i)
    if not twice:
        return {}, []
    rows_of: dict[str, list[int]] = {}
    for i, tag in enumerate(tags):
        rows_of.setdefault(tag, []).append(i)
    folds: dict[int, int] = {}
    remarks = []
    for day, rows in twice.items():
        hour = set(rows)
        concerned = {tag: rows_of[tag] for tag in dict.fromkeys(tags[i] for i in rows)}
        told = {tag: _second(walls, of_tag, hour) for tag, of_tag in concerned.items()}
        told |= _told_by_others(walls, rows_of, hour, told)
        for tag, second in told.items():
            if second is None:
                row = next(i for i in concerned[tag] if i in hour)
                raise column.refusal(
                    row,
                    f"comes twice in {zone.key}, where clocks go back then, and the order of the lines does not tell"
                    " which one is meant: write the times with their offset from UTC",
                )
            folds |= {i: int(i in second) for i in concerned[tag] if i in hour}
        turn = min(i for i in hour if folds[i])
        remarks.append(
            f'the local hour of {day:%Y-%m-%d} that comes twice in {zone.key} ("{shown(column.cells[rows[0]])}") is'
            f" told apart by the order of the lines: the second one first stands in line {column.lines[turn]}"
        )
    return folds, remarks


def _told_by_others(
    walls: list[datetime], rows_of: dict[str, list[int]], hour: set[int], told: dict[str, set[int] | None]
) -> dict[str, set[int]]:
    """What a tag's own lines do not tell, where they stand among those of a tag whose clock goes back.

    Lines of all tags must be in the order of time, and not one tag after the other.
    """
    clear = {tag: second for tag, second in told.items() if second is not None}
    whole = _second(walls, range(len(walls)), hour) if clear else None
    if whole is None or any(second != whole.intersection(rows_of[tag]) for tag, second in clear.items()):
        return {}
    spans = [(rows_of[tag][0], rows_of[tag][-1]) for tag in clear]
    return {
        tag: whole
        for tag in told
        if tag not in clear and all(any(a < i < z for a, z in spans) for i in rows_of[tag] if i in hour)
    }


def _second(walls: Sequence[datetime], rows: Sequence[int], hour: set[int]) -> set[int] | None:
    """Those of ``rows`` that stand in the second passage of ``hour``; None where their order does not tell.

    They must follow each other without a gap, and their clock must go back exactly once.
    """
    places = [k for k, i in enumerate(rows) if i in hour]
    start, stop = places[0], places[-1] + 1
    if stop - start != len(places):
        return None
    inside = list(rows[start:stop])
    forward = {walls[rows[start - 1]] < walls[inside[0]]} if start else set()
    forward |= {walls[inside[-1]] < walls[rows[stop]]} if stop < len(rows) else set()
    if len(forward) != 1:
        return None  # nothing before or after them says whether the newest stands first
    ordered = inside if forward.pop() else inside[::-1]
    clock = [walls[i] for i in ordered]
    back = [k for k in range(1, len(clock)) if clock[k] < clock[k - 1]]
    if len(clock) == 2 and clock[0] == clock[1]:
        back = [1]  # one reading an hour
    return set(ordered[back[0] :]) if len(back) == 1 else None
