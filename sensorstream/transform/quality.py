"""Quality codes: which are good, and why a reading of any other is rejected. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ..config.settings import Config

GOOD_IGNITION = (192,)
BAD_GENERIC = (0,)


@dataclass(frozen=True)
class QualityRule:
    """Which quality codes are kept: those in ``good`` (``None``: any) that are not in ``bad``."""

    good: tuple[int, ...] | None
    bad: tuple[int, ...]

    def reason(self, code: int | None) -> str | None:
        """Why a reading with this code is rejected; ``None`` if it is kept."""
        if code is None:
            return "no_quality"
        if code in self.bad:
            return "bad_quality"
        if self.good is not None and code not in self.good:
            return "bad_quality" if not self.bad else "unlisted_quality"
        return None


def quality_rule(config: Config, layout: str) -> QualityRule:
    """The rule that ``config`` asks for; with neither list, Ignition keeps 192 and generic drops 0."""
    if config.good_quality is None and config.bad_quality is None:
        return QualityRule(GOOD_IGNITION, ()) if layout == "ignition" else QualityRule(None, BAD_GENERIC)
    good, bad = (codes and tuple(map(_by_bits, codes)) for codes in (config.good_quality, config.bad_quality))
    return QualityRule(good, bad or ())


def _by_bits(code: int) -> int:
    """A code of 32 bits without a sign (OPC UA) as the signed one of the same bits."""
    return code - (1 << 32) if code >= 1 << 31 else code
