"""A process of a batch: tasks as JSON lines on stdin, records as JSON lines on stdout (``python -m``, by the pool).

It lives no longer than the process that started it: when stdin ends while it works, it kills itself, so that nobody
writes into a folder that another run may have taken over.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
from typing import IO, Any

Message = dict[str, Any]
"""A line of either direction."""


def serve(tasks: IO[bytes], records: IO[bytes], device: str) -> None:
    """Work until there are no more tasks."""
    from sedtalker.batch.work import Worker

    waiting: queue.Queue[Message | None] = queue.Queue()
    busy = threading.Event()

    def read() -> None:
        for line in tasks:
            busy.set()
            waiting.put(json.loads(line))
        if busy.is_set():
            os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
        waiting.put(None)

    def answer(message: Message) -> None:
        records.write(json.dumps(message).encode() + b"\n")
        records.flush()

    threading.Thread(target=read, daemon=True).start()
    worker = Worker(device)
    while (message := waiting.get()) is not None:
        if "prepare" in message:
            done = worker.prepare(message["prepare"], message["first"])
        else:
            done = worker(message["task"], lambda: answer({"started": True}))
        busy.clear()
        answer({"record": done})


def main() -> None:
    """Keep stdout for records: what libraries print goes to stderr."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the pool ends its workers
    records = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.stdin.buffer, records, sys.argv[1])


if __name__ == "__main__":
    main()
