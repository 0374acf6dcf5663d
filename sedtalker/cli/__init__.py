"""The command line: one module a command, no work of its own."""

from __future__ import annotations

import gc
import sys

COLLECT = 100_000, 20, 100
"""Objects made between two searches for garbage. By default it is 700, and all that is imported is searched again and
again: a tenth of the time in which a short clip is animated."""


def run() -> None:
    """Run ``sedtalker``; also while it is still being imported, Ctrl-C and a full disk are one line."""
    gc.set_threshold(*COLLECT)
    try:
        from sedtalker.cli.main import app

        app()
    except KeyboardInterrupt:
        print("interrupted; nothing was written", file=sys.stderr)
        sys.exit(130)
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
