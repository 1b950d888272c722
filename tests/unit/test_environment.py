"""pyproject.toml, requirements.lock and environment.yml describe one environment."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from sensorstream.spark.libraries import NEEDED

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = (ROOT / "requirements.lock").read_text()
# A pinned requirement and its hashes, which follow on continued lines.
PINS = [entry for entry in LOCK.replace("\\\n", " ").splitlines() if entry.strip()]
EXTRAS = {name: wanted for name, wanted in PROJECT["optional-dependencies"].items() if name != "bench"}
WANTED = {
    wanted for some in (PROJECT["dependencies"], *EXTRAS.values()) for wanted in some if "sensorstream" not in wanted
}

# Every module of the package but those that only an extra's own library calls.
WITHOUT = """
import pkgutil, sys
from importlib import import_module
sys.modules.update(dict.fromkeys(sys.argv[1:]))
import sensorstream
for module in pkgutil.walk_packages(sensorstream.__path__, "sensorstream."):
    name = module.name.removeprefix("sensorstream.")
    if not name.startswith("airflow.") and name not in ("staging.datasource", "notebook_run.kernel", "__main__",
                                                        "exploration.jupyter_style", "checks.escaped_pages",
                                                        "lake.iceberg.pointer", "lake.iceberg.store_io",
                                                        "lake.iceberg.table"):
        import_module(module.name)
"""


def locked_versions() -> dict[str, set[str]]:
    versions: dict[str, set[str]] = {}
    for pin in PINS:
        name, version = re.match(r"([\w.-]+)(?:\[[^]]*\])?==(\S+)", pin).groups()
        versions.setdefault(canonicalize_name(name), set()).add(version)
    return versions


@pytest.mark.parametrize("wanted", sorted(WANTED))
def test_the_lock_holds_every_dependency_within_its_range(wanted):
    requirement = Requirement(wanted)
    versions = locked_versions()[canonicalize_name(requirement.name)]
    assert all(version in requirement.specifier for version in versions)


def test_all_and_its_tests_are_every_extra():
    (every,) = EXTRAS["all"]
    assert Requirement(every).extras == EXTRAS.keys() - {"all", "test"} and "sensorstream[all]" in EXTRAS["test"]


def test_a_cluster_is_sent_what_an_ingest_needs_and_pandas_for_spark():
    base = [Requirement(wanted) for wanted in PROJECT["dependencies"]]
    assert set(NEEDED) == {wanted.name for wanted in base} | {"psycopg-binary", "pandas"}


def test_what_an_ingest_imports_is_there_without_any_extra():
    brought = {canonicalize_name(Requirement(wanted).name) for some in EXTRAS.values() for wanted in some}
    ours = {Requirement(wanted).name for wanted in PROJECT["dependencies"]} | {"sensorstream", "packaging"}
    absent = [
        module
        for module, packages in packages_distributions().items()
        if {canonicalize_name(package) for package in packages} & (brought - ours)
    ]
    done = subprocess.run([sys.executable, "-c", WITHOUT, *absent], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_locked_package_is_pinned_and_has_a_hash():
    for pin in PINS:
        assert re.match(r"[\w.-]+==[^\s;]+ ", pin), pin[:80]
        assert re.search(r" --hash=sha256:[0-9a-f]{64}", pin), pin[:80]


def test_the_lock_names_no_index_and_no_place_on_a_machine():
    # A line is a pin, a hash, or nothing: no option and no address can hide in it.
    for line in LOCK.splitlines():
        assert re.fullmatch(r"(    --hash=sha256:[0-9a-f]{64}|[\w.-]+==[^\s/:@]+( ; [^/:@]+)?)( \\)?", line), line


def test_the_peers_of_the_benchmark_are_not_locked():
    bench = {canonicalize_name(Requirement(peer).name) for peer in PROJECT["optional-dependencies"]["bench"]}
    assert not bench & set(locked_versions())


def test_conda_installs_the_same_lock_on_a_python_that_the_project_takes():
    conda, pip = [], []
    for entry in yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]:
        if isinstance(entry, dict):
            pip = entry["pip"]
        else:
            conda.append(entry)
    assert pip == ["-r requirements.lock"]
    assert "openjdk=17" in conda
    python = SpecifierSet(next(entry for entry in conda if entry.startswith("python>")).removeprefix("python"))
    minors = {f"3.{minor}" for minor in range(8, 20)}
    assert set(python.filter(minors)) <= set(SpecifierSet(PROJECT["requires-python"]).filter(minors))
    assert set(python.filter(minors)) == {"3.11", "3.12"}
