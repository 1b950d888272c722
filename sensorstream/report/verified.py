"""What ``verify`` found, kept beside the runs: the page of all runs tells of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from ..config.settings import Config
from ..pipeline.run_record import run_id
from ..verification.result import Verification, summary
from ..windows import Window
from .storage import VERIFIED, of_reports, open_storage, remote


@dataclass(frozen=True)
class Verified:
    """One look of ``verify``, the newest at its window and patterns; ``first`` is one of the differences, in words."""

    window: dict[str, str]
    ended: str
    patterns: list[str]
    differences: int
    repaired: int
    looked_at: str
    first: str | None = None

    @property
    def at(self) -> datetime:
        return datetime.fromisoformat(self.ended)

    def days(self, timezone: str) -> list[date]:
        return [day for day, _ in Window.from_json(self.window).days(timezone)]


RESULTS = TypeAdapter(Verified)


def keep(config: Config, found: Verification) -> None:
    """Put what was found beside the runs; where no runs are kept there is no page to tell of it."""
    if not remote(config) and not Path(config.reports_path).is_dir():
        return
    first = f"{found.differences[0].kind} {found.differences[0]}" if found.differences else None
    kept = Verified(
        found.window, datetime.now(UTC).isoformat(timespec="seconds"), list(found.patterns), len(found.differences),
        len(found.repaired), summary(found).partition(": ")[2], first,
    )  # fmt: skip
    with of_reports():
        text = json.dumps(asdict(kept), ensure_ascii=False)
        open_storage(config).put(
            f"{VERIFIED}{run_id(Window.from_json(found.window), found.patterns)}.json", text.encode()
        )


def kept(config: Config) -> list[Verified]:
    """All that is kept, the newest first; what cannot be read is left out, since a run does not depend on it."""
    store, found = open_storage(config), []
    for key, _ in store.list(VERIFIED):
        try:
            found.append(RESULTS.validate_json(store.get(key) or b""))
        except ValidationError:
            continue
    return sorted(found, key=lambda one: one.ended, reverse=True)


def by_day(found: Iterable[Verified], timezone: str) -> dict[date, Verified]:
    """Of each day the newest look. Pure."""
    days: dict[date, Verified] = {}
    for one in sorted(found, key=lambda one: one.ended):
        days |= dict.fromkeys(one.days(timezone), one)
    return days
