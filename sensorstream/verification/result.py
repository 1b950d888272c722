"""What one look of ``verify`` finds, and what it says in the end: as an exception, a table, JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from html import escape
from typing import Any

from ..errors import LakeCheckFailed
from ..formatting import html_table, on_a_screen
from ..lake.sound import MEND
from .audit_objects import AtRest, Foreign
from .compare_files import Place
from .differences import Difference

MOST_SHOWN = 50  # rows of a table


@dataclass(frozen=True)
class Found:
    """One look at the lake and the source: what differs, and what a repair has to know."""

    rest: AtRest
    foreign: tuple[Foreign, ...]  # of the tag paths asked for, or of none
    places: tuple[Place, ...]
    rows: Mapping[str, int]  # of the source in the window, by tag path
    notes: tuple[str, ...]
    measured: dict[str, int]

    def differences(self, *, append: bool) -> list[Difference]:
        """Every difference; a lake that is appended to keeps what the source has changed or deleted since."""
        kept = ("surplus", "different") if append else ()
        found = [*self.rest.killed, *self.rest.lost, *self.rest.tags, *self.rest.table]
        found += [difference for place in self.places for difference in place.every() if difference.kind not in kept]
        what = "nobody committed it, and readers of the prefix see it"
        found += [Difference("foreign", one.tagpath, one.month, what, key=one.key) for one in self.foreign]
        what = "the manifest does not name it"
        return found + [Difference("leftover", None, None, what, key=key) for key in self.rest.leftovers]


@dataclass(frozen=True)
class Verification:
    """What ``verify`` found. ``differences`` are there now, ``repaired`` ones were there before.

    ``measured`` counts tag paths, files, readings and bytes of the lake, and readings of the source; ``seconds`` is how
    long it took.
    """

    lake: str
    window: dict[str, str]
    patterns: tuple[str, ...]
    repair: bool  # whether it was asked for
    differences: tuple[Difference, ...]
    repaired: tuple[Difference, ...]
    notes: tuple[str, ...]
    measured: dict[str, int]
    seconds: float

    @property
    def success(self) -> bool:
        return not self.differences

    def raise_if_different(self) -> None:
        """``LakeCheckFailed`` says in one sentence how many differences there are, and names one."""
        if self.success:
            return
        first, count = self.differences[0], len(self.differences)
        remedy = "restore or remove by hand what cannot be read again" if self.repair else MEND
        raise LakeCheckFailed(
            f"lake {self.lake} has {count:,} difference{'s' if count > 1 else ''} in {self.window['start']} to"
            f" {self.window['end']}, {first.kind} {first}: {remedy}"
        )

    def rows(self) -> list[dict[str, str]]:
        """One row a difference, for a table on a screen."""
        both = [(found, "") for found in self.differences] + [(found, "yes") for found in self.repaired]
        return [
            {
                "difference": found.kind,
                "tag path": found.tagpath or "",
                "month": found.month or "",
                "what": f"{found.key.rsplit('/', 1)[-1]}: {found.what}" if found.key else found.what,
                "repaired": repaired,
            }
            for found, repaired in both
        ]

    def to_json(self) -> dict[str, Any]:
        return {"success": self.success, **asdict(self)}

    def __repr__(self) -> str:
        head = "no difference" if self.success else f"{len(self.differences):,} differences"
        rows = [" ".join(filter(None, row.values())) for row in self.rows()]
        return on_a_screen(f"Verification: {head}, {summary(self)}", rows, self.notes)

    def _repr_html_(self) -> str:
        rows = self.rows()
        head = "no difference" if self.success else f"{len(self.differences):,} differences"
        more = f"<p>and {len(rows) - MOST_SHOWN:,} more</p>" if len(rows) > MOST_SHOWN else ""
        notes = "".join(f"<li>{escape(note)}</li>" for note in self.notes)
        return f"<p><b>{head}</b>, {escape(summary(self))}</p>{html_table(rows[:MOST_SHOWN])}{more}<ul>{notes}</ul>"


def summary(found: Verification) -> str:
    """What was looked at, in words."""
    counts = ", ".join(f"{count:,} {name}" for name, count in found.measured.items())
    return f"{found.window['start']} to {found.window['end']}: {counts}"
