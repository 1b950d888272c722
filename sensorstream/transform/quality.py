"""Quality codes: which are good, and why a reading of any other is rejected. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ..config.layouts.description import Description
from ..config.settings import Config


@dataclass(frozen=True)
class QualityRule:
    """Which quality codes are kept: those in ``good`` (``None``: any) that are not in ``bad`` and have none of
    ``bad_bits``."""

    good: tuple[int, ...] | None
    bad: tuple[int, ...]
    bad_bits: int = 0

    def reason(self, code: int | None) -> str | None:
        """Why a reading with this code is rejected; ``None`` if it is kept."""
        if code is None:
            return "no_quality"
        if code in self.bad or code & self.bad_bits:
            return "bad_quality"
        if self.good is not None and code not in self.good:
            return "bad_quality" if not self.bad else "unlisted_quality"
        return None


def quality_rule(config: Config, layout: Description) -> QualityRule:
    """The rule that ``config`` asks for; with neither list, the layout's."""
    if config.good_quality is None and config.bad_quality is None:
        codes = layout.good_quality, layout.bad_quality
        bits = layout.bad_bits
    else:
        codes, bits = (config.good_quality, config.bad_quality or ()), 0
    good, bad = (some and tuple(map(_by_bits, some)) for some in codes)
    return QualityRule(good, bad or (), bits)


def _by_bits(code: int) -> int:
    """A code of 32 bits without a sign (OPC UA) as the signed one of the same bits."""
    return code - (1 << 32) if code >= 1 << 31 else code
