"""Create .venv and install the packages of one lock file into it, with hashes checked and progress shown.

    python scripts/setup.py requirements/run.txt

Standard library only: it runs before anything is installed.
"""

import os
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
LOG = VENV / "setup.log"
TAIL_LINES = 15
LINES_WITHOUT_TERMINAL = 5

PYTHON = str(VENV / "bin" / "python")
PIP = [PYTHON, "-m", "pip", "--disable-pip-version-check", "--no-input"]


class Failed(Exception):
    """pip failed; the message has its last lines."""


def show(step: int, text: str, *, done: bool = False) -> None:
    """Print the line of a step; on a terminal it replaces the line before."""
    line = f"{step}/3  {text}"
    if sys.stdout.isatty():
        print(f"\r\033[K{line}", end="\n" if done else "", flush=True)
    else:
        print(line, flush=True)


def make_environment() -> None:
    """Create the virtual environment. One that runs, is recent enough and has pip is kept."""
    probe = "import sys, pip; sys.exit(sys.version_info < (3, 11))"
    try:
        subprocess.run([PYTHON, "-c", probe], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        venv.create(VENV, clear=VENV.exists(), with_pip=True, symlinks=True)


def pip(*arguments: str) -> Iterator[str]:
    """Run pip and yield its lines, which also go to the log. Raises Failed with the last lines on an error."""
    environment = os.environ | {"PIP_PROGRESS_BAR": "off", "PYTHONUTF8": "1"}
    lines: list[str] = []
    with (
        LOG.open("a", encoding="utf-8") as log,
        subprocess.Popen(
            [*PIP, *arguments],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        ) as process,
    ):
        for line in process.stdout or ():
            log.write(line)
            lines.append(line.rstrip())
            yield lines[-1]
    if process.returncode:
        raise Failed("\n".join(lines[-TAIL_LINES:]))


def install(lock: Path) -> int:
    """Install the packages of the lock file, wheels only. Returns how many there are for this machine."""
    pins = sum(line[:1].isalnum() for line in lock.read_text(encoding="utf-8").splitlines())
    seen = 0
    every = max(1, pins // LINES_WITHOUT_TERMINAL)
    for line in pip("install", "--require-hashes", "--only-binary", ":all:", "--requirement", str(lock)):
        if line.startswith("Ignoring "):  # its marker excludes this machine
            pins -= 1
        elif line.startswith(("Collecting ", "Requirement already satisfied")):
            seen = min(seen + 1, pins)
            if sys.stdout.isatty() or seen % every == 0:
                show(2, f"paquetes / packages: {seen} de {pins}")
        elif line.startswith("Installing collected"):
            show(2, f"paquetes / packages: {seen} de {pins}, instalando / installing …")
    return pins


def main() -> int:
    """Run the three steps and print each at its start and end."""
    lock = ROOT / sys.argv[1]
    began = time.monotonic()
    try:
        show(1, "entorno virtual / virtual environment …")
        make_environment()
        LOG.write_text("", encoding="utf-8")
        show(1, f"entorno virtual / virtual environment: .venv, Python {sys.version.split()[0]}", done=True)
        show(2, "paquetes / packages …")
        pins = install(lock)
        show(2, f"paquetes / packages: {pins}, con sus hashes verificados / hashes checked", done=True)
        show(3, "la orden vigia / the vigia command …")
        for _ in pip("install", "--no-deps", "--no-build-isolation", "--editable", "."):
            pass
        show(3, f"listo / ready ({time.monotonic() - began:.0f} s)", done=True)
    except Failed as failed:
        print(
            f"\n{failed}\n\nNo se pudo instalar; el registro completo está en {LOG.relative_to(ROOT)}", file=sys.stderr
        )
        print(f"Could not install; the whole log is in {LOG.relative_to(ROOT)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "\nInterrumpido; la próxima vez sigue desde acá / interrupted; the next run goes on from here",
            file=sys.stderr,
        )
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
