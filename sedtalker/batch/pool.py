"""Processes of this machine that work on recordings: each has one task at a time, and one that dies is replaced.

A process is this module as a program: tasks as JSON lines on stdin, records as JSON lines on stdout. It lives no longer
than the process that started it: when stdin ends while it works, it kills itself, so that nobody writes into a folder
that another run may have taken over.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from sedtalker.batch.log import FAILED, Record
from sedtalker.batch.work import BatchTask
from sedtalker.errors import InputError

WORKER = (sys.executable, "-P", "-m", "sedtalker.batch.pool")
"""The program of a process; ``-P``: it imports nothing from the working directory."""
ATTEMPTS = 2
"""How often a task is given to a process before one that kills them is given up."""

Event = tuple[int, str, Record]
"""Number of the task, ``started`` or ``ended``, and the record of one that has ended."""


def default_jobs() -> int:
    """One process a core that this process may use, as far as the memory suffices."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return cores
    return max(1, min(cores, memory // (2 << 30)))  # 2 GiB for each


class WorkerDied(Exception):
    """A process ended in the middle of a task; the text says how."""


class _Process:
    """A worker process and its two pipes."""

    def __init__(self, jobs: int, device: str, lock: int | None):
        package = str(Path(__file__).parents[2])  # the very package that runs here
        paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
        # few threads, since it shares the machine, and one that adds up, as the command has it, too: the same bytes
        one = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        threads = {**one, "NUMBA_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // jobs))}
        environment = {**os.environ, **threads, "PYTHONPATH": os.pathsep.join(paths)}
        self._process = subprocess.Popen(
            [*WORKER, device],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            pass_fds=() if lock is None or os.name == "nt" else (lock,),
            start_new_session=True,  # Ctrl-C reaches the batch, which ends its workers
        )

    def ask(self, message: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Send a message and give the answers, the last of which has a record.

        Raises:
            WorkerDied: it ended before.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
        for line in self._process.stdout:
            answer: dict[str, Any] = json.loads(line)
            yield answer
            if "record" in answer:
                return
        code = self._process.wait()
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        raise WorkerDied(f"the process that worked on it {how}{' (out of memory?)' if code == -9 else ''}")

    def end(self) -> None:
        """End it at once; what it was writing never appears."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


@dataclass
class LocalPool:
    """Works on tasks with processes of this machine; a context manager, at whose end no process is left.

    Attributes:
        jobs: how many processes.
        device: where the networks run.
        lock: descriptor of a lock that the processes keep too.
    """

    jobs: int
    device: str = "auto"
    lock: int | None = None
    _idle: list[_Process] = field(default_factory=list)
    _all: list[_Process] = field(default_factory=list)
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _ending: bool = False

    def __enter__(self) -> LocalPool:
        return self

    def __exit__(self, *error: object) -> None:
        with self._guard:
            self._ending = True
            held, self._all = self._all, []
        for process in held:
            process.end()

    def prepare(self, settings: Sequence[dict[str, Any]], first: dict[str, Any] | None) -> list[str]:
        """Check options and open what the first ones name, in the first process; gives what there is to say.

        Args:
            first: those that are used first; None: nothing is opened.
        """
        process = self._start()
        try:
            *_, answer = process.ask({"prepare": list(settings), "first": first})
        except WorkerDied as error:
            raise InputError(f"the networks cannot be opened: {error}") from None
        if "error" in answer["record"]:
            raise InputError(answer["record"]["error"])
        self._idle.append(process)
        notes: list[str] = answer["record"]["notes"]
        return notes

    def run(self, tasks: Sequence[BatchTask]) -> Iterator[Event]:
        """Work on all tasks; events come as they happen, each task ends once."""
        events: queue.Queue[Event | BaseException] = queue.Queue()

        def work(number: int) -> None:
            try:
                if not self._ending:
                    self._one(number, tasks[number], events)
            except BaseException as error:  # reaches the caller
                events.put(error)

        threads, ended = ThreadPoolExecutor(self.jobs), 0
        try:
            for number in range(len(tasks)):
                threads.submit(work, number)
            while ended < len(tasks):
                event = events.get()
                if isinstance(event, BaseException):
                    raise event
                ended += event[1] == "ended"
                yield event
        finally:
            threads.shutdown(wait=False, cancel_futures=True)

    def _one(self, number: int, task: BatchTask, events: queue.Queue[Event | BaseException]) -> None:
        """Let a process work on a task, and another one where it dies."""
        said = ""
        for _ in range(ATTEMPTS):
            process = self._start()
            try:
                for answer in process.ask({"task": task}):
                    if "record" in answer:
                        self._idle.append(process)
                        events.put((number, "ended", answer["record"]))
                        return
                    events.put((number, "started", {}))
                    task = BatchTask(**{**task, "overwrite": True})  # from now on what lies there is the batch's own
            except WorkerDied as error:
                said = str(error)
                process.end()
                with self._guard:
                    self._all = [other for other in self._all if other is not process]
                if self._ending:
                    return
        events.put((number, "ended", {"state": FAILED, "error": said, "seconds": 0.0}))

    def _start(self) -> _Process:
        """A process that has nothing to do, or a new one."""
        with self._guard:
            if self._idle:
                return self._idle.pop()
            process = _Process(self.jobs, self.device, self.lock)
            if self._ending:
                process.end()
            else:
                self._all.append(process)
            return process


# --- The program of a process.


def serve(tasks: IO[bytes], records: IO[bytes], device: str) -> None:
    """Work until there are no more tasks."""
    from sedtalker.batch.work import Worker

    waiting: queue.Queue[dict[str, Any] | None] = queue.Queue()
    busy = threading.Event()

    def read() -> None:
        for line in tasks:
            busy.set()
            waiting.put(json.loads(line))
        if busy.is_set():
            os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
        waiting.put(None)

    def answer(message: dict[str, Any]) -> None:
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
    for number in (signal.SIGINT, getattr(signal, "SIGHUP", signal.SIGINT)):
        signal.signal(number, signal.SIG_IGN)  # the pool ends its workers
    records = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.stdin.buffer, records, sys.argv[1])


if __name__ == "__main__":
    main()
