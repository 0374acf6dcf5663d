"""Python programs of our own that run beside this one, because a library in them may crash or never come back.

They import nothing from the working directory, and they end with the program that started them, also when that one is
killed: on Linux at once, elsewhere on POSIX when their time is up.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

_BEGIN = """
import signal, sys
seconds = int(sys.argv.pop(1))
if hasattr(signal, "alarm"):
    signal.alarm(seconds)
if sys.platform == "linux":
    import ctypes
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
"""
"""How they begin: the alarm ends a process that is busy in C++ too; 1 is PR_SET_PDEATHSIG, see prctl(2)."""


def run_beside(
    program: str, arguments: Sequence[str] = (), seconds: int = 60, isolated: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end.

    Args:
        program: its text.
        arguments: ``sys.argv[1:]`` in it.
        seconds: that it may take.
        isolated: without ``PYTHONPATH`` and the user's own packages too (``python -I``, else ``-P``).

    Returns:
        its exit code and what it printed.

    Raises:
        subprocess.TimeoutExpired: it takes longer.
        OSError: it cannot be started.
    """
    command = [sys.executable, "-I" if isolated else "-P", "-c", _BEGIN + program, str(seconds), *arguments]
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=seconds
    )
