"""The readings of the simulated plant as functions of tag and time. Pure.

Every reading follows from (seed, tag, number of the scan) by hashing, so that any block of time can be made alone and
gives the same rows. Only exactly rounded arithmetic is used: no library's sine, no generator whose stream may change
with its version, so two machines make the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from .ignition_values import GOOD_QUALITY
from .plant_tags import DAY_MS, Tag, service_day

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]

HOUR_MS = 3_600_000
COUNTER_ZERO_MS = 1_577_836_800_000  # 2020-01-01, when the energy meters were installed
UNKNOWN_QUALITY = 777  # on no vendor's list
NO_VALUE_QUALITIES = (600, UNKNOWN_QUALITY)  # such rows hold no value at all
RECIPES = (
    "steel-12",
    "steel-14 (trial)",
    "brass; soft",
    'pack "XL", blue',
    "Öl & Fett 50 %",
    "",
    "idle",
    "campaign 2026/11: " + "mix A/B, hold 30 min, then rinse; " * 6,
)

_GOLDEN, _MIX1, _MIX2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_MASK = (1 << 64) - 1


@dataclass(frozen=True)
class Readings:
    """Readings of one tag in time order. ``values`` as the tag's datatype has them; ``valued`` false is NULL."""

    t_stamp: Ints
    values: Floats | Ints | list[str]
    quality: NDArray[np.int32]
    valued: NDArray[np.bool_]


def readings(tag: Tag, start_ms: int, end_ms: int, seed: int) -> Readings:
    """Readings of ``tag`` with ``start_ms <= t_stamp < end_ms``; the two must stand within one UTC day."""
    scan, t_stamp = _scans(tag, max(start_ms, tag.first_ms), min(end_ms, tag.last_ms), seed)
    quality = _quality(tag, scan, seed)
    return Readings(t_stamp, _values(tag, scan, t_stamp, seed), quality, ~np.isin(quality, NO_VALUE_QUALITIES))


def hashed(key: int, numbers: Ints) -> Hashes:
    """64 well-mixed bits for each number (the finaliser of splitmix64)."""
    x = numbers.astype(np.uint64)
    x *= np.uint64(_GOLDEN)
    x += np.uint64(key)
    x ^= x >> np.uint64(30)
    x *= np.uint64(_MIX1)
    x ^= x >> np.uint64(27)
    x *= np.uint64(_MIX2)
    x ^= x >> np.uint64(31)
    return x


def hash_key(*parts: int) -> int:
    x = 0
    for part in parts:
        x = (x ^ (part & _MASK)) * _GOLDEN & _MASK
        x = (x ^ x >> 30) * _MIX1 & _MASK
        x = (x ^ x >> 27) * _MIX2 & _MASK
        x ^= x >> 31
    return x


def gap(tag: Tag, day: int, seed: int) -> tuple[int, int]:
    """When the tag was not read on that day (epoch ms, half open): one to six hours on every fifth day of a tag."""
    if (tag.stream + day) % 5 != 3 or tag.on_the_dot or tag.clean:
        return 0, 0
    x = hash_key(seed, tag.stream, day, 4)
    begins = day * DAY_MS + x % 18 * HOUR_MS
    return begins, begins + (1 + (x >> 32) % 6) * HOUR_MS


def wave(t_stamp: Ints, period_ms: int, phase: float) -> Floats:
    """A smooth oscillation between -1 and 1, made of parabolas."""
    x = (t_stamp % period_ms) / period_ms + phase
    x -= np.floor(x)
    x = 2 * x - 1
    return 4 * x * (1 - np.abs(x))


def _scans(tag: Tag, start_ms: int, end_ms: int, seed: int) -> tuple[Ints, Ints]:
    """Numbers and times of the scans. Times rise strictly: what is added to a scan's slot is less than the slot."""
    if not tag.step_ms or start_ms >= end_ms:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    step = tag.step_ms
    scan = np.arange(start_ms // step - 1, end_ms // step + 1, dtype=np.int64)
    t_stamp = scan * step
    if not tag.on_the_dot:
        # Scans come a little late, by up to a tenth of the interval and never more than 400 ms.
        jitter = max(1, min(step // 10, 400))
        t_stamp += hash_key(seed, tag.stream, 1) % max(1, step // 4)
        t_stamp += (hashed(hash_key(seed, tag.stream, 2), scan) % np.uint64(jitter)).astype(np.int64)
    if tag.late_half:
        t_stamp[scan % 4 != 0] += step // 2
    keep = (t_stamp >= start_ms) & (t_stamp < end_ms)
    gap_starts, gap_ends = gap(tag, start_ms // DAY_MS, seed)
    if gap_starts < gap_ends:
        keep &= (t_stamp < gap_starts) | (t_stamp >= gap_ends)
    return scan[keep], t_stamp[keep]


def _quality(tag: Tag, scan: Ints, seed: int) -> NDArray[np.int32]:
    """192, and for about 1.5 % of the readings, in bursts of eight, another code."""
    x = hashed(hash_key(seed, tag.stream, tag.id, 3), scan >> 3)
    bad = (x & np.uint64(0xFFFF)) < np.uint64(int(0.015 * 0x10000))
    code = (x >> np.uint64(32)) % np.uint64(50)  # of fifty bad bursts: 13 x 0, 17 x 500, 10 x 600, 9 x 256, 1 unknown
    odd = 0 if tag.clean else UNKNOWN_QUALITY
    names = np.repeat(np.array([0, 500, 600, 256, odd], np.int32), [13, 17, 10, 9, 1])
    return np.where(bad, names[code.astype(np.intp)], np.int32(GOOD_QUALITY)).astype(np.int32)


def _values(tag: Tag, scan: Ints, t_stamp: Ints, seed: int) -> Floats | Ints | list[str]:
    match tag.kind:
        case "valve":  # 0 closed, 1 opening, 2 open, 3 closing
            return (hashed(hash_key(seed, tag.stream, 5), scan // 20) % np.uint64(4)).astype(np.int64)
        case "running":
            return (hashed(hash_key(seed, tag.stream, 5), scan // 60) % np.uint64(5) != 0).astype(np.int64)
        case "recipe":
            picked = hashed(hash_key(seed, tag.stream, 5), scan) % np.uint64(len(RECIPES))
            return [RECIPES[int(i)] for i in picked]
        case "last_service":
            serviced = service_day(tag.stream) - datetime(2000, 1, 1)
            return np.full(len(scan), serviced // timedelta(microseconds=1), np.int64)
    return _analogue(tag, scan, t_stamp, seed)


def _analogue(tag: Tag, scan: Ints, t_stamp: Ints, seed: int) -> Floats:
    stuck_from, stuck_to = tag.stuck_ms
    stuck = (t_stamp >= stuck_from) & (t_stamp < stuck_to)
    when = np.where(stuck, stuck_from, t_stamp)
    at = hash_key(seed, tag.stream, 6)
    size, phase = (at & 0xFFFF) / 0x10000, (at >> 16 & 0xFFFF) / 0x10000
    day, minutes = wave(when, DAY_MS, phase), wave(when, 1_000_000 + at % 700_000, phase)
    # One sensor, one noise, whichever of its ids is read.
    noise = _noise(hash_key(seed, tag.stream, tag.stream + 1, 7), np.where(stuck, 0, scan))
    match tag.kind:
        case "temperature":
            value = 40 + 60 * size + 5 * day + 0.8 * minutes + 0.05 * noise
        case "pressure":
            value = 2 + 6 * size + 0.4 * day + 0.2 * minutes + 0.01 * noise
        case "flow":
            value = 80 + 200 * size + 30 * day + 8 * minutes + 0.5 * noise
        case _:  # energy: the daily swing takes away at most two thirds of the slope, so the counter never falls
            slope_kwh_per_ms = (4 + 20 * size) / HOUR_MS
            value = slope_kwh_per_ms * (when - COUNTER_ZERO_MS) + slope_kwh_per_ms * 2 * HOUR_MS * day
    if tag.decimals is None:
        return value
    scale = 10.0**tag.decimals
    # A whole number divided by a power of ten is the double nearest to that decimal; + 0.0 turns -0.0 into 0.0.
    return np.rint(value * scale) / scale + 0.0


def _noise(key: int, numbers: Ints) -> Floats:
    """About normal with deviation 1: the sum of four even 16-bit numbers."""
    x = hashed(key, numbers)
    low = np.uint64(0xFFFF)
    total = (x & low) + (x >> np.uint64(16) & low) + (x >> np.uint64(32) & low) + (x >> np.uint64(48))
    return (total.astype(np.float64) / 0x10000 - 2) * 1.7320508075688772
