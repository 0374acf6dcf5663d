"""Runs a command of SEDTalker as on a system that has little of POSIX: ``python elsewhere.py animate speech.wav``.

The modules and functions that Windows lacks are taken away, as far as Python's own library runs without them, links
cannot be made, files that are open can be neither removed nor replaced, and what is printed must fit the code page
1252.
"""

from __future__ import annotations

import os
import socket  # noqa: F401 (Python's own modules are read before anything is taken away)
import subprocess  # noqa: F401
import sys
import time  # noqa: F401
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

MODULES = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty", "msvcrt", "winreg", "_winapi"}
"""Modules that some systems lack."""
FUNCTIONS = {
    "os": {
        "O_CLOEXEC", "O_DIRECTORY", "O_DSYNC", "O_NOFOLLOW", "O_NONBLOCK", "O_TMPFILE", "WEXITSTATUS", "chown",
        "chroot", "copy_file_range", "fchmod", "fchown", "fork", "forkpty", "getegid", "geteuid", "getgid",
        "getgroups", "getloadavg", "getpgid", "getpgrp", "getpriority", "getsid", "getuid", "initgroups", "killpg",
        "lchown", "memfd_create", "mkfifo", "mknod", "nice", "openpty", "pathconf", "pipe2", "posix_fadvise",
        "posix_fallocate", "posix_spawn", "pread", "pwrite", "register_at_fork", "sched_getaffinity",
        "sched_setaffinity", "sendfile", "setegid", "seteuid", "setgid", "setpgid", "setpriority", "setsid", "setuid",
        "splice", "statvfs", "symlink", "link", "sync", "sysconf", "ttyname", "uname", "wait3", "wait4", "waitid",
    },
    "signal": {
        "SIGALRM", "SIGCHLD", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGSTOP", "SIGUSR1", "SIGUSR2", "SIGWINCH",
        "SIGXCPU", "SIGXFSZ", "alarm", "pause", "pthread_sigmask", "setitimer", "siginterrupt", "sigwait",
    },
    "socket": {"AF_UNIX", "SO_REUSEPORT", "fromfd", "socketpair", "MSG_DONTWAIT"},
    "time": {"tzset", "clock_gettime"},
}  # fmt: skip
"""Attributes that Windows or macOS lacks."""
OF_PYTHON = {"SIGKILL", "getuid", "link", "posix", "symlink", "uname"}
"""What Python's own library and numerical packages use here, without a check of their own."""


def refused(*_: object, **__: object) -> None:
    """Links need a right that few users of Windows have."""
    raise OSError(1314, "A required privilege is not held by the client")


def in_use(path: Any) -> bool:
    """Whether this process has a file open, or mapped into its memory."""
    wanted = os.path.realpath(path)
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            if os.path.realpath(descriptor) == wanted:
                return True
        except OSError:
            continue
    return any(line.endswith(f" {wanted}") for line in Path("/proc/self/maps").read_text().splitlines())


def unless_in_use(function: Callable[..., Any]) -> Callable[..., Any]:
    """What removes or replaces files, as Windows does it."""

    def wrapped(*given: Any, **more: Any) -> Any:
        own = sys._getframe(1).f_globals["__name__"] == "tempfile"  # which does otherwise on Windows
        for path in () if own else given[:2]:
            if isinstance(path, str | os.PathLike) and in_use(path):
                raise PermissionError(13, "The process cannot access the file: another one uses it", os.fspath(path))
        return function(*given, **more)

    return wrapped


def main() -> None:
    """Take them away, and run."""
    for name in MODULES - OF_PYTHON:
        sys.modules[name] = None  # type: ignore[assignment]
    locks: Any = ModuleType("msvcrt")  # what Windows has in the place of fcntl
    locks.LK_NBLCK, locks.locking = 2, lambda descriptor, mode, size: None
    sys.modules["msvcrt"] = locks
    for module, names in FUNCTIONS.items():
        for name in names - OF_PYTHON:
            if hasattr(sys.modules[module], name):
                delattr(sys.modules[module], name)
    os.symlink = os.link = refused
    for name in ("unlink", "remove", "rename", "replace"):
        setattr(os, name, unless_in_use(getattr(os, name)))
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="cp1252", errors="strict", newline="\r\n")  # type: ignore[union-attr]
    from sedtalker.cli import run

    run()


if __name__ == "__main__":
    main()
