"""The documents and their blocks of code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

# A block, and the comment above it that says why it is not run at all, or not in the fast tests.
BLOCK = re.compile(r"(?:^ *<!-- (not run|slow): \S[^>]* -->\n)?^( *)```(\w+)\n(.*?)^\2```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    language: str
    code: str
    left_out: str | None  # "not run", "slow"


def blocks(document: Path, language: str) -> list[Block]:
    """The blocks of code of that language, in order."""
    found = [Block(kind, dedent(code), mark or None) for mark, _, kind, code in BLOCK.findall(document.read_text())]
    return [block for block in found if block.language == language]
