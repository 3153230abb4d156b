"""Run the tests that draw at random with new draws, in rounds, and print how to repeat each failure.

    make soak
    make soak ARGS="--rounds 3 --minutes 10"
    .venv/bin/python scripts/soak.py --seed 4711 tests/ingest/test_decode.py     one round, with that seed

Each round has one seed for everything: examples of properties, kills, storms, hash order. The run ends after ROUNDS
rounds or MINUTES minutes, whichever comes first. Exit status: 1 if a test failed. A failure becomes a fixed case: an
`@example` of its property, or one more number in `@pytest.mark.seeds`.
"""

import argparse
import json
import os
import random
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 20
MINUTES = 30.0
LARGEST_SEED = 1_000_000
DRAWING = "(hypothesis or seeds) and not proof"
STOP_S = 30.0
FAILED, INTERRUPTED, NO_TEST = 1, 2, 5
"""Exit statuses of pytest: a test failed; the run was cut short; none was chosen."""


def run_round(seed: int, tests: list[str], left_s: float) -> tuple[int | None, list[str]]:
    """Run the tests with one seed. Returns pytest's exit status, None when time ran out, and the tests that failed."""
    environment = os.environ | {"VIGIA_TEST_SEED": str(seed), "PYTHONHASHSEED": str(seed)}
    with TemporaryDirectory(prefix="vigia-soak-") as folder:
        command = [sys.executable, "-m", "pytest", "--quiet", "--tb=short", "--durations=0", "--durations-min=60"]
        command += [f"--hypothesis-seed={seed}", "-m", DRAWING, "-o", f"cache_dir={folder}"]
        if not any("::" in test for test in tests):
            command += ["--numprocesses=auto", "--dist=loadfile"]
        command += tests
        with subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True) as process:
            status = wait(process, left_s)
        noted = Path(folder) / "v" / "cache" / "lastfailed"
        failed = list(json.loads(noted.read_text(encoding="utf-8"))) if noted.exists() else []
    return status, failed


def wait(process: "subprocess.Popen[bytes]", left_s: float) -> int | None:
    """The exit status, or None if the process had to be stopped: it is asked first, and killed after STOP_S."""
    try:
        return process.wait(left_s)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        return None


def repeat(seed: int, test: str) -> str:
    """The command that runs this test again with the same draws."""
    return f".venv/bin/python scripts/soak.py --seed {seed} {shlex.quote(test)}"


def arguments() -> argparse.Namespace:
    """What the caller asks for."""
    parser = argparse.ArgumentParser(description="Run the tests that draw at random with new draws.")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"at most so many rounds ({ROUNDS})")
    parser.add_argument("--minutes", type=float, default=MINUTES, help=f"for at most so long ({MINUTES:g})")
    parser.add_argument("--seed", type=int, help="run one round with this seed")
    parser.add_argument("tests", nargs="*", help="only these files or tests; all that draw if left out")
    return parser.parse_args()


def main() -> int:
    """Run the rounds and print the failures of all of them at the end."""
    asked = arguments()
    ends_s = time.monotonic() + 60 * asked.minutes
    failures: list[str] = []
    done = 0
    broken = False
    for number in range(1 if asked.seed else asked.rounds):
        left_s = ends_s - time.monotonic()
        if left_s <= 0:
            break
        seed = asked.seed or random.SystemRandom().randrange(1, LARGEST_SEED)
        print(f"soak: round {number + 1}, seed {seed}, {left_s / 60:.0f} minutes left", flush=True)
        status, failed = run_round(seed, asked.tests, left_s)
        failures += [repeat(seed, test) for test in failed]
        done += status is not None
        broken = status not in (0, FAILED, None)
        if broken:
            print(f"soak: pytest ended with status {status}; seed {seed}")
            break
    print(f"soak: {done} whole rounds, {len(failures)} failures")
    for command in failures:
        print(f"  repeat: {command}")
    return int(broken or bool(failures))


if __name__ == "__main__":
    sys.exit(main())
