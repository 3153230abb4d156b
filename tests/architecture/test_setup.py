"""The set-up finds a suitable Python, or prints what is missing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.repository import ROOT

# Answers as scripts/python asks: first whether everything is there, then which version, then whether that is enough.
STAND_IN = """#!/bin/sh
case "$2" in
*ensurepip*) exit 1 ;;
*python_version*) echo {version} ;;
*) exit {too_old} ;;
esac
"""


def ask(path: Path) -> subprocess.CompletedProcess[str]:
    """Run scripts/python with only the programs of one folder on the PATH."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHON"} | {"PATH": str(path)}
    command: list[str | Path] = ["/bin/sh", ROOT / "scripts" / "python"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def install(folder: Path, name: str, version: str, *, too_old: bool) -> None:
    """Create a replacement of a Python that lacks something."""
    program = folder / name
    program.write_text(STAND_IN.format(version=version, too_old=int(too_old)), encoding="utf-8")
    program.chmod(0o755)


def test_a_recent_python_is_found_under_any_name(tmp_path: Path) -> None:
    install(tmp_path, "python3.14", "3.14.0", too_old=False)  # without venv: not chosen although newer
    (tmp_path / "python3").symlink_to(sys.executable)
    assert ask(tmp_path).stdout == f"{tmp_path}/python3\n"


@pytest.mark.parametrize("there", [True, False])
def test_an_old_python_or_none_gives_a_message_of_what_is_needed(tmp_path: Path, there: bool) -> None:
    if there:
        install(tmp_path, "python3", "3.9.2", too_old=True)
    answer = ask(tmp_path)
    assert answer.returncode == 1
    assert "Hace falta Python 3.11" in answer.stderr
    assert "Python 3.11 or later is needed" in answer.stderr
    assert ("3.9.2" in answer.stderr) == there


def test_a_python_without_venv_gives_the_name_of_the_package(tmp_path: Path) -> None:
    install(tmp_path, "python3", "3.12.3", too_old=False)
    answer = ask(tmp_path)
    assert answer.returncode == 1
    assert "sudo apt install python3.12-venv" in answer.stderr


def test_make_alone_lists_the_commands() -> None:
    answer = subprocess.run(["make", "--silent"], cwd=ROOT, capture_output=True, text=True, check=True)
    offered = [line.split()[1] for line in answer.stdout.splitlines() if line.startswith("  make ")]
    assert offered[:4] == ["help", "demo", "test", "check"]
    assert offered[4:] == ["soak", "proof", "slowest", "coverage", "bench", "docs", "lock", "clean"]
