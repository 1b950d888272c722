"""How an Ignition gateway writes times, months, kinds of values and quality. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
GOOD_QUALITY = 192
DATATYPE_INT, DATATYPE_FLOAT, DATATYPE_STRING, DATATYPE_DATE = range(4)


def epoch_ms(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(milliseconds=1)


def moment(ms: int) -> datetime:
    return EPOCH + timedelta(milliseconds=ms)


def months(start_ms: int, end_ms: int) -> Iterator[tuple[str, int, int]]:
    """Name (``YYYY_MM``), start and end in epoch ms of each UTC month that overlaps ``[start_ms, end_ms)``."""
    month = moment(start_ms).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    while epoch_ms(month) < end_ms:
        following = (month + timedelta(days=32)).replace(day=1)
        yield f"{month:%Y_%m}", epoch_ms(month), epoch_ms(following)
        month = following
