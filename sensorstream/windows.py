"""Windows of time: half open, whole seconds, cut at the borders of days and months of a time zone.

Pure: knows neither the historian nor the lake.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property, lru_cache
from typing import TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from .errors import ConfigError

STAMP = "%Y%m%dT%H%M%SZ"
YEARS = range(2, 9999)  # of windows: a neighbour on either side, in every time zone, is a date as well
# What a zone database holds beside zones: this machine's own, and clocks that count leap seconds.
NO_ZONE = re.compile(r"localtime|posixrules|Factory|(posix|right)/.*")
Day = TypeVar("Day", bound=date)
Moment = str | date | datetime  # as a caller may write an instant


@lru_cache
def zone(name: str) -> ZoneInfo:
    """The time zone of that IANA name; ``ConfigError`` where there is none."""
    try:
        if NO_ZONE.fullmatch(name):
            raise ZoneInfoNotFoundError(name)
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(f'timezone "{name}" is not an IANA name: use one such as "Europe/Berlin" or "UTC"') from error


@dataclass(frozen=True, order=True)
class Window:
    """A half-open interval ``[start, end)`` of instants, both aware, in UTC, whole seconds."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        for instant in (self.start, self.end):
            if instant.tzinfo is None:
                raise ValueError("a window's borders need a time zone")
            if instant.microsecond:
                raise ConfigError(f"window border {instant.isoformat()} is not a whole second: round it")
        object.__setattr__(self, "start", self.start.astimezone(UTC))
        object.__setattr__(self, "end", self.end.astimezone(UTC))
        if self.end <= self.start:
            raise ConfigError(f"window ends at {self.end.isoformat()}, not after its start {self.start.isoformat()}")

    def to_json(self) -> dict[str, str]:
        """Start and end as ISO 8601, as records and results hold them."""
        return {"start": self.start.isoformat(), "end": self.end.isoformat()}

    @classmethod
    def from_json(cls, said: Mapping[str, str]) -> Window:
        """The window that ``to_json`` wrote; ``ValueError`` or ``ConfigError`` where it is none."""
        return cls(*(datetime.fromisoformat(said[side]) for side in ("start", "end")))

    @cached_property
    def start_ms(self) -> int:
        """Start in milliseconds since 1970 UTC."""
        return round(self.start.timestamp()) * 1000

    @cached_property
    def end_ms(self) -> int:
        """End (exclusive) in milliseconds since 1970 UTC."""
        return round(self.end.timestamp()) * 1000

    @property
    def seconds(self) -> tuple[int, int]:
        """Start and end (exclusive) in seconds since 1970 UTC."""
        return self.start_ms // 1000, self.end_ms // 1000

    @classmethod
    def of_seconds(cls, start: int, end: int) -> Window:
        """The window between two seconds since 1970 UTC."""
        return cls(datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC))

    @classmethod
    def around(cls, parts: Collection[Window]) -> Window:
        """From the first start of ``parts`` to the last end."""
        return cls(min(part.start for part in parts), max(part.end for part in parts))

    @property
    def name(self) -> str:
        """``<start>_<end>`` as object names spell it."""
        return f"{self.start.strftime(STAMP)}_{self.end.strftime(STAMP)}"

    def overlaps(self, other: Window) -> bool:
        return self.start < other.end and other.start < self.end

    def covers(self, other: Window) -> bool:
        return self.start <= other.start and other.end <= self.end

    def clip(self, other: Window) -> Window | None:
        """The part that both have; ``None`` if they do not meet."""
        start, end = max(self.start, other.start), min(self.end, other.end)
        return Window(start, end) if start < end else None

    def minus(self, other: Window) -> list[Window]:
        """What is left of this window outside ``other``: none, one or two windows."""
        sides = (self.start, min(self.end, other.start)), (max(self.start, other.end), self.end)
        return [Window(start, end) for start, end in sides if start < end]

    def months(self, tz: str) -> Sequence[tuple[str, Window]]:
        """The calendar months of ``tz`` that the window touches, each with the part it touches, in order."""
        return _months(self, tz)

    def days(self, tz: str) -> Iterator[tuple[date, Window]]:
        """The days of ``tz`` that the window touches (23 to 25 hours where clocks change), clipped to it."""
        day = self.start.astimezone(zone(tz)).date()
        while (start := midnight(day, tz)) < self.end:
            end = midnight(day + timedelta(days=1), tz)
            # A day may be left out of a calendar altogether: Samoa had no 30th of December 2011.
            if start < end and (part := Window(start, end).clip(self)):
                yield day, part
            day += timedelta(days=1)

    def __str__(self) -> str:
        return f"{self.start.isoformat()} to {self.end.isoformat()}"


WindowLike = Window | str | date | tuple[Moment, Moment]  # as a caller may give one: a day, or start and end


def without(parts: Iterable[Window], holes: Iterable[Window]) -> list[Window]:
    """``parts`` where they meet none of ``holes``."""
    left = list(parts)
    for hole in holes:
        left = [rest for part in left for rest in part.minus(hole)]
    return left


def joined(parts: Iterable[Window], *, touching: bool) -> list[Window]:
    """``parts`` in order of time, those that overlap as one; those that only touch as well, if so asked."""
    found: list[Window] = []
    for part in sorted(parts):
        if found and (part.start < found[-1].end or (touching and part.start == found[-1].end)):
            found[-1] = Window(found[-1].start, max(found[-1].end, part.end))
        else:
            found.append(part)
    return found


def midnight(day: date, tz: str) -> datetime:
    """The first instant of ``day`` in ``tz``, in UTC."""
    here = zone(tz)
    first = datetime.combine(day, time(), tzinfo=here)
    late, early = (first.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    if late <= early:
        return late
    # Clocks jump over midnight, and may do so before it: the day begins where they do.
    jumped = range(int((late - early).total_seconds()))
    since = bisect_left(jumped, day, key=lambda s: (early + timedelta(seconds=s)).astimezone(here).date())
    return early + timedelta(seconds=since)


def day_window(day: date, tz: str) -> Window:
    return Window(midnight(day, tz), midnight(day + timedelta(days=1), tz))


@lru_cache(maxsize=1024)
def month_window(month: str, tz: str) -> Window:
    """The whole of ``month`` (``YYYY-MM``) in ``tz``."""
    year, number = map(int, month.split("-"))
    after = date(year + 1, 1, 1) if number == 12 else date(year, number + 1, 1)
    return Window(midnight(date(year, number, 1), tz), midnight(after, tz))


@lru_cache(maxsize=1024)
def _months(window: Window, tz: str) -> Sequence[tuple[str, Window]]:
    """Asked for each tag of a window."""
    found = []
    first = window.start.astimezone(zone(tz))
    year, month = first.year, first.month
    while (whole := month_window(f"{year:04d}-{month:02d}", tz)).start < window.end:
        if part := whole.clip(window):
            found.append((f"{year:04d}-{month:02d}", part))
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    return tuple(found)


@lru_cache(maxsize=1024)
def from_name(name: str) -> Window:
    """The window that ``<start>_<end>`` spells; ``ValueError`` if it is not one."""
    start, end = (datetime.strptime(part, STAMP).replace(tzinfo=UTC) for part in name.split("_"))
    return Window(start, end)


def instant(moment: Moment, tz: str) -> datetime:
    """The instant that a caller means: a bare date is midnight in ``tz``, a time without offset is local to ``tz``."""
    if isinstance(moment, str):
        otherwise = "is neither a date (2026-10-14) nor an ISO 8601 time (2026-10-14T06:00)"
        found = _iso(datetime.fromisoformat, moment, f'"{moment}"', otherwise)
        moment = found.date() if len(moment) == 10 else found
    if isinstance(moment, datetime):
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone(tz))).astimezone(UTC)
    if isinstance(moment, date):
        return midnight(moment, tz)
    raise ConfigError(f"{moment!r} is no time: give text as ISO 8601, a date or a datetime")


def as_window(window: WindowLike, tz: str) -> Window:
    """The window that a caller gives; a day, as text, a date or its first instant, is the whole of it in ``tz``, two
    instants are start and end."""
    if isinstance(window, Window):
        return window
    if isinstance(window, tuple) and len(window) == 2:
        return Window(*(instant(moment, tz) for moment in window))
    if isinstance(window, datetime):
        local = instant(window, tz).astimezone(zone(tz))
        day = day_window(local.date(), tz)
        if day.start != local:
            raise ConfigError(f"{window} is not the beginning of a day in {tz}: give a day, or start and end")
        return day
    if isinstance(window, str | date):
        otherwise = "is not a date: write it as 2026-10-14"
        return day_window(_iso(date.fromisoformat, str(window), f'the day "{window}"', otherwise), tz)
    raise ConfigError(f'{window!r} is no window: give a day such as "2026-10-14", or what window_of makes')


def window_of(
    tz: str, day: str | date | None = None, *, start: Moment | None = None, end: Moment | None = None
) -> Window:
    """The window that a day, or a start and an end, make.

    Parameters
    ----------
    tz
        IANA name of the time zone of days and of times without an offset: ``config.timezone``.
    day
        A day such as ``2026-10-14``, text or date, 23 to 25 hours of it.
    start, end
        Half open, ISO 8601 or datetimes, whole seconds; a bare date is midnight in ``tz``.

    Returns
    -------
    Window
        In UTC.

    Raises
    ------
    ConfigError
        They make no window: one of them is missing or unreadable, or the end is not after the start.
    """
    given = " and ".join(f'{name} "{text}"' for name, text in (("start", start), ("end", end)) if text)
    if day and given:
        raise ConfigError(f'day "{day}" goes without {given}: give the day, or start and end')
    if day:
        return as_window(day, tz)
    if not given:
        raise ConfigError("no window given: give a day (date), such as 2026-10-14, or start and end")
    if not (start and end):
        missing = "end" if start else "start"
        raise ConfigError(f"half a window, {given}, and no {missing}: add {missing}, or give a day (date)")
    return Window(instant(start, tz), instant(end, tz))


def _iso(parse: Callable[[str], Day], text: str, what: str, otherwise: str) -> Day:
    try:
        found = parse(text)
    except ValueError as error:
        raise ConfigError(f"{what} {otherwise}") from error
    if found.year not in YEARS:
        raise ConfigError(f"{what} is too far away: use years from {YEARS.start} to {YEARS.stop - 1}")
    return found
