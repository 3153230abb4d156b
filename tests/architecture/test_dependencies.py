"""Every dependency is declared, explained and locked, and no other package has our names."""

import re
import tomllib
from importlib.metadata import packages_distributions

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.repository import FLOORS, ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
GROUPS = {
    "server": PROJECT["project"]["dependencies"],
    "embedded": PROJECT["project"]["optional-dependencies"]["embedded"],
    "build": PROJECT["dependency-groups"]["build"],
    "dev": PROJECT["dependency-groups"]["dev"],
    "docs": PROJECT["dependency-groups"]["docs"],
}
LOCKS = {
    "build": ["build"],
    "server": ["server"],
    "run": ["server", "embedded", "build"],
    "dev": ["server", "embedded", "build", "dev"],
    "docs": ["docs"],
}


def locked(name: str) -> dict[str, str]:
    """The versions of a lock file by package."""
    text = (ROOT / f"requirements/{name}.txt").read_text(encoding="utf-8")
    return {
        canonicalize_name(package): version
        for package, version in re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.MULTILINE)
    }


def test_the_page_explains_every_dependency_and_no_other() -> None:
    page = (ROOT / "docs/dependencies.md").read_text(encoding="utf-8")
    explained = [canonicalize_name(name) for name in re.findall(r"^\| `([\w.-]+)` \|", page, re.MULTILINE)]
    declared = [canonicalize_name(Requirement(line).name) for group in GROUPS.values() for line in group]
    assert sorted(explained) == sorted(declared)


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_holds_what_the_project_asks_for(name: str) -> None:
    versions = locked(name)
    for requirement in (Requirement(line) for group in LOCKS[name] for line in GROUPS[group]):
        version = versions[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement} but {version} is locked: make lock"


@pytest.mark.parametrize("name", LOCKS)
def test_the_locks_agree_with_each_other(name: str) -> None:
    versions, all_versions = locked(name), locked("dev")
    assert {
        package: version for package, version in versions.items() if all_versions.get(package, version) != version
    } == {}
    assert name == "docs" or versions.keys() <= all_versions.keys()


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_is_versions_and_hashes_only(name: str) -> None:
    text = (ROOT / f"requirements/{name}.txt").read_text(encoding="utf-8")
    pin = re.compile(r"[\w.-]+==\S+( ; [^\\]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?")
    assert [line for line in text.splitlines() if not pin.fullmatch(line)] == []


def test_our_five_names_belong_to_nobody_else() -> None:
    owners = packages_distributions()
    assert {name: set(owners.get(name, [])) - {"vigia"} for name in FLOORS} == {name: set() for name in FLOORS}
