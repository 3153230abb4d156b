"""Servers that live and die with the process that starts them, and what they need: a port, a secret, a user."""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic, sleep

HOST = "127.0.0.1"
POLL_S = 0.02
STOP_S = 2.0
"""How long each of the ever ruder signals may take."""
_SUPERVISOR = Path(__file__).with_name("supervised_process.py")


def supervised_command(program: list[str], uid: int, at_owners_death: signal.Signals) -> list[str]:
    """The command that runs `program` as the user `uid` and ends it when we die, however we die."""
    return [sys.executable, "-I", str(_SUPERVISOR), str(os.getpid()), str(uid), str(int(at_owners_death)), *program]


def start_supervised(
    program: list[str],
    log_file: Path,
    uid: int,
    at_owners_death: signal.Signals,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program on a leash, in its own session: Ctrl-C is for the owner, who stops its servers last.

    `environment` is added to ours.
    """
    log_file.touch(mode=0o600)
    with log_file.open("ab") as output:
        return subprocess.Popen(
            supervised_command(program, uid, at_owners_death),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env=os.environ | (environment or {}),
        )


def stop_child(process: subprocess.Popen[bytes] | None, *signals: signal.Signals) -> None:
    """End a process we started, and forget it."""
    if process is not None and process.poll() is None:
        _stop_gradually(process.pid, lambda: process.poll() is not None, *signals)


def stop_process(pid: int, *signals: signal.Signals) -> None:
    """End a process that another started."""
    _stop_gradually(pid, lambda: not is_alive(pid), *signals)


def is_alive(pid: int) -> bool:
    """Whether there is such a process, whoever owns it."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def command_line(pid: int) -> str:
    """What the process was started with; empty where there is none, or none that we may see."""
    if not Path("/proc/self").exists():
        program = ["/bin/ps", "-o", "args=", "-p", str(pid)]
        return subprocess.run(program, capture_output=True, text=True, check=False).stdout
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def free_port(wanted: int) -> int:
    """`wanted` where nobody listens on it, else one the system gives. Raises OSError where it has none."""
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
    """The secret in the file, made where there is none yet; only we can read it."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(24))
    return path.read_text()


def unprivileged_uid(name: str) -> int:
    """Ourselves, or where we are root the system user `name`, made where there is none yet."""
    if os.geteuid():
        return os.geteuid()
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        program = shutil.which("useradd") or "/usr/sbin/useradd"
        subprocess.run([program, "--system", "--no-create-home", name], check=True, capture_output=True)
        return pwd.getpwnam(name).pw_uid


def _stop_gradually(pid: int, is_gone: Callable[[], bool], *signals: signal.Signals) -> None:
    """Ever ruder, until the process is gone."""
    for number in (*signals, signal.SIGKILL):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        deadline_s = monotonic() + STOP_S
        while not is_gone() and monotonic() < deadline_s:
            sleep(POLL_S)
        if is_gone():
            return
