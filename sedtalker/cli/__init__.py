"""The command line: one module a command, no work of its own."""

from __future__ import annotations

import sys


def run() -> None:
    """Run ``sedtalker``; also while it is still being imported, Ctrl-C and a full disk are one line."""
    try:
        from sedtalker.cli.main import app

        app()
    except KeyboardInterrupt:
        print("interrupted; nothing was written", file=sys.stderr)
        sys.exit(130)
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
