"""One key from the terminal, without Enter; a line's first letter where there is no terminal."""

from __future__ import annotations

import sys


def read_key() -> str:
    """The next key; empty at the end of the input. Enter gives a line feed.

    Raises:
        KeyboardInterrupt: Ctrl-C.
    """
    if sys.stdin is None:
        return ""
    if not sys.stdin.isatty():
        line = sys.stdin.readline()
        return line[:1] if line else ""
    if sys.platform == "win32":
        import msvcrt

        return msvcrt.getwch()
    import termios
    import tty

    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)
    try:
        tty.setcbreak(number)
        return sys.stdin.read(1)
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)
