"""Files of a run's folder, replaced whole: whoever reads them sees the old text or the new, never a part."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def replace_text(target: Path, text: str) -> None:
    """Write ``text`` to ``target``, in UTF-8; the folder is made where it is missing."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    os.replace(draft, target)


def replace_json(target: Path, value: Any) -> None:
    """The same of ``value`` as JSON for people to read."""
    replace_text(target, json.dumps(value, indent=1, ensure_ascii=False) + "\n")
