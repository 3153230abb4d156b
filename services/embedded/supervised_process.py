"""Run another program that ends when its parent process ends, even when the parent is killed.

`python supervised_process.py PARENT UID SIGNAL PROGRAM ARGUMENT...`: run as a file, so that it needs only the
interpreter. Linux signals a child at its parent's death; on other systems the program outlives a killed parent.
"""

import ctypes
import os
import pwd
import sys

_PR_SET_PDEATHSIG = 1


def main(parent: int, uid: int, signal: int, program: list[str]) -> None:
    """Change to the user `uid`, ask the kernel for `signal` at the parent's death, and execute `program`."""
    if uid != os.geteuid():
        user = pwd.getpwuid(uid)
        os.initgroups(user.pw_name, user.pw_gid)
        os.setgid(user.pw_gid)
        os.setuid(uid)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal, 0, 0, 0)
    if os.getppid() != parent:  # it died before the request
        sys.exit(1)
    os.execv(program[0], program)  # noqa: S606 - replacing this program is the purpose


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
