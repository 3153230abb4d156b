"""Child processes that end with their parent, and what a server needs: a free port, a secret, a system user."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic, sleep

from services.runtime.secret import new_secret

HOST = "127.0.0.1"
POLL_S = 0.02
STOP_S = 2.0
"""Longest wait after each signal, before the next, stronger one."""
_SUPERVISOR = Path(__file__).with_name("supervised_process.py")


def supervised_command(program: list[str], uid: int, on_parent_death: signal.Signals) -> list[str]:
    """The command that runs `program` as the user `uid` and ends it when this process dies, for whatever reason."""
    return [sys.executable, "-I", str(_SUPERVISOR), str(os.getpid()), str(uid), str(int(on_parent_death)), *program]


def start_supervised(
    program: list[str],
    log_file: Path,
    uid: int,
    on_parent_death: signal.Signals,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program that ends with this process, in a session of its own.

    Ctrl-C reaches only this process, which stops its servers last. `environment` is added to the process's own.
    """
    log_file.touch(mode=0o600)
    with log_file.open("ab") as output:
        return subprocess.Popen(
            supervised_command(program, uid, on_parent_death),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env=os.environ | (environment or {}),
        )


def stop_child(process: subprocess.Popen[bytes] | None, *signals: signal.Signals) -> None:
    """Stop a child process: send the signals in turn, then SIGKILL."""
    if process is not None and process.poll() is None:
        _stop_gradually(process.pid, lambda: process.poll() is not None, *signals)


def stop_process(pid: int, *signals: signal.Signals) -> None:
    """Stop a process that another process started: send the signals in turn, then SIGKILL."""
    _stop_gradually(pid, lambda: not is_alive(pid), *signals)


def is_alive(pid: int) -> bool:
    """Whether a process of this number exists, of any user."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def command_line(pid: int) -> str:
    """The command line of a process; empty where there is no such process or it may not be read."""
    if not Path("/proc/self").exists():
        program = ["/bin/ps", "-o", "args=", "-p", str(pid)]
        return subprocess.run(program, capture_output=True, text=True, check=False).stdout
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def free_port(wanted: int) -> int:
    """`wanted` where it is free, else a free port from the system. Raises OSError where there is none."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("this machine has no free port")


def read_or_create_secret(path: Path) -> str:
    """The secret in a file that only its owner can read; created where there is none."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(new_secret(24))
    return path.read_text()


def unprivileged_uid(name: str) -> int:
    """The current user's id; for root, that of the system user `name`, created where there is none."""
    if os.geteuid():
        return os.geteuid()
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        program = shutil.which("useradd") or "/usr/sbin/useradd"
        subprocess.run([program, "--system", "--no-create-home", name], check=True, capture_output=True)
        return pwd.getpwnam(name).pw_uid


def _stop_gradually(pid: int, has_ended: Callable[[], bool], *signals: signal.Signals) -> None:
    """Send the signals in turn, then SIGKILL, until the process has ended."""
    for number in (*signals, signal.SIGKILL):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        deadline_s = monotonic() + STOP_S
        while not has_ended() and monotonic() < deadline_s:
            sleep(POLL_S)
        if has_ended():
            return
