"""Becomes another program that ends when the process which started it ends, even when that one is killed.

`python leash.py PARENT UID SIGNAL PROGRAM ARGUMENT...`: run as a file, so that it needs nothing but the interpreter.
Linux tells a child of its parent's death; elsewhere the program runs without a leash.
"""

import ctypes
import os
import pwd
import sys

_PR_SET_PDEATHSIG = 1


def main(parent: int, uid: int, signal: int, program: list[str]) -> None:
    """Drop to `uid`, ask for `signal` at the parent's death, and become `program`."""
    if uid != os.geteuid():
        user = pwd.getpwuid(uid)
        os.initgroups(user.pw_name, user.pw_gid)
        os.setgid(user.pw_gid)
        os.setuid(uid)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal, 0, 0, 0)
    if os.getppid() != parent:  # it died before we could ask
        sys.exit(1)
    os.execv(program[0], program)  # noqa: S606 - becoming another program is the point


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
