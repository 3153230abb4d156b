"""CI, pre-commit, `make check`, version and release notes say the same."""

import re
import subprocess
import sys
import tomllib
from typing import Any

import yaml

from tests.architecture.repository import ROOT, files

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WORKFLOW: dict[Any, Any] = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
JOB: dict[str, Any] = WORKFLOW["jobs"]["ci"]
UNRELEASED = "Unreleased"


def test_ci_runs_the_one_script_on_each_python_that_the_project_names() -> None:
    named = [re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", one) for one in PROJECT["classifiers"]]
    assert JOB["strategy"]["matrix"]["python"] == [one[1] for one in named if one]
    assert [step["run"] for step in JOB["steps"] if "run" in step] == ["bash .ci/run"]
    assert PROJECT["requires-python"] == f">={JOB['strategy']['matrix']['python'][0]}"


def test_ci_uses_others_actions_at_one_version_only() -> None:
    used = [step["uses"] for step in JOB["steps"] if "uses" in step]
    assert [one for one in used if not re.fullmatch(r"[\w-]+/[\w-]+@v\d+\.\d+\.\d+", one)] == []


def test_the_script_of_ci_runs_every_check_test_and_page() -> None:
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    assert re.findall(r"^make (\w+)$", script, re.MULTILINE) == ["check", "test", "docs"]


def test_a_commit_is_held_to_the_same_checks_as_make_check() -> None:
    script = (ROOT / "scripts/check").read_text(encoding="utf-8")
    checks = re.findall(r"^run (.+)$", script, re.MULTILINE)
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert [repository["repo"] for repository in hooks] == ["local"]
    assert [hook["entry"] for hook in hooks[0]["hooks"]] == [f".venv/bin/{check}" for check in checks]


def test_the_release_notes_begin_with_what_is_unreleased_or_with_this_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    sections = re.findall(r"^## (.+)$", changelog, re.MULTILINE)
    released = [section for section in sections if section != UNRELEASED]
    assert sections == [*[UNRELEASED][: len(sections) - len(released)], *released]
    assert released[0] == PROJECT["version"]
    numbers = [tuple(map(int, section.split("."))) for section in released]
    assert numbers == sorted(set(numbers), reverse=True)


def test_the_command_prints_the_version_and_images_are_tagged_with_it() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "services", "--version"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    labelled = re.findall(r"\{VERSION: (\S+),", (ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    assert set(labelled) == {PROJECT["version"]}
    assert printed.stdout == f"vigia {PROJECT['version']}\n"
    tagged = re.compile(r"\bvigia(?:-backup)?:([\w.]*\d[\w.-]*)")
    texts = {path: (ROOT / path).read_text(encoding="utf-8") for path in files() if path.suffix in {".yml", ".md", ""}}
    assert {(str(path), tag) for path, text in texts.items() for tag in tagged.findall(text)} == {
        (path, PROJECT["version"]) for path in ("docker-compose.yml", "deploy/README.md")
    }
