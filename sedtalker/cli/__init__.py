"""The command line: one module a command, no work of its own."""

from __future__ import annotations

import gc
import os
import signal
import sys

from sedtalker.errors import INTERRUPTED, short_of_memory, unwind_at_signals

COLLECT = 100_000, 20, 100
"""Objects made between two searches for garbage. By default it is 700, and all that is imported is searched again and
again: a tenth of the time in which a short clip is animated."""


def run() -> None:
    """Run ``sedtalker``; from the first import on, Ctrl-C, SIGTERM, SIGHUP, a full disk and no memory are one line.

    Exit codes: 130 for the first three, 1 for the others; those of the commands are in ``console.fail_clearly``.
    """
    gc.set_threshold(*COLLECT)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # sums in another order are other bytes, and none is faster
    unwind_at_signals()
    try:
        from sedtalker.cli.main import application

        application(*sys.argv[1:2])()
    except KeyboardInterrupt:
        print(INTERRUPTED, file=sys.stderr)
        sys.exit(130)
    except SystemExit as end:
        if isinstance(getattr(end.__context__, "__cause__", None), KeyboardInterrupt):  # typer ends without a word
            print(INTERRUPTED, file=sys.stderr)
        if isinstance(end.__context__, BrokenPipeError):  # so do typer and rich where the reader of stdout has gone
            sys.exit(0)
        raise
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except (MemoryError, RuntimeError, ImportError) as error:
        line = short_of_memory(error)
        if line is None:
            raise
        print(f"error: {line}", file=sys.stderr)
        sys.exit(1)
    finally:  # all is done: a signal ends what Python still has to put away
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
