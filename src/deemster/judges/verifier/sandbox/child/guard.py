"""A Python audit hook: the second-best barrier, where the kernel offers none."""

from __future__ import annotations

import os
import sys

_REFUSED = (
    "socket.", "subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.startfile",
    "os.system", "os.kill", "os.chmod", "os.chown", "os.setxattr", "os.removexattr", "os.utime",
    "os.putenv", "os.truncate", "os.lockf", "ctypes.", "pty.", "shutil.", "webbrowser.", "ftplib.",
    "http.", "smtplib.", "urllib.", "winreg.", "mmap.", "signal.pthread_kill", "resource.",
    "syslog.", "fcntl.", "os.mkdir", "os.link", "os.symlink",
)  # fmt: skip
_CHANGES_FILES = {"os.remove", "os.rename", "os.rmdir"}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def install_guard(workdir: str) -> None:
    """Refuse, from now on, what untrusted code has no business doing. Cannot be removed."""
    inside = os.path.realpath(workdir) + os.sep
    realpath, fspath, fsdecode = os.path.realpath, os.fspath, os.fsdecode

    def outside(path: object) -> bool:
        if isinstance(path, int) or path is None:
            return False
        return not realpath(fsdecode(fspath(path))).startswith(inside)  # type: ignore[call-overload]

    def hook(event: str, args: tuple[object, ...]) -> None:
        if event.startswith(_REFUSED):
            raise PermissionError(f"{event} is not allowed in the sandbox")
        if event == "open":
            path, _, flags = args
            if isinstance(flags, int) and flags & _WRITES and outside(path):
                raise PermissionError(f"writing {path!r} is not allowed in the sandbox")
        elif event in _CHANGES_FILES and any(
            outside(path) for path in args if isinstance(path, str | bytes)
        ):
            raise PermissionError(f"{event} of {args[0]!r} is not allowed in the sandbox")

    sys.addaudithook(hook)
