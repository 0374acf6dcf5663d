"""Work that takes long: one job at a time in a thread of its own, with progress, and cancelled between two steps."""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from sedtalker.errors import InputError
from sedtalker.progress import Hook

log = logging.getLogger(__name__)

PAUSE = 0.08
"""Seconds between two messages about one step."""
MOST_WAITING = 500
"""Messages kept for a page that does not read them; then the oldest are dropped."""


class JobCancelled(Exception):
    """The user has cancelled the job; raised by its hook, so that everything half-written is removed on the way."""


class Events:
    """Messages to every page that is open."""

    def __init__(self) -> None:
        self._readers: dict[object, tuple[deque[dict[str, Any]], asyncio.Event]] = {}

    def publish(self, message: dict[str, Any]) -> None:
        """Send to all; from the thread of the event loop."""
        for waiting, ready in self._readers.values():
            if len(waiting) >= MOST_WAITING:
                waiting.popleft()
            waiting.append(message)
            ready.set()

    def join(self) -> object:
        """A new reader."""
        key = object()
        self._readers[key] = (deque(), asyncio.Event())
        return key

    async def next(self, key: object) -> dict[str, Any]:
        """The next message for a reader."""
        waiting, ready = self._readers[key]
        while not waiting:
            ready.clear()
            await ready.wait()
        return waiting.popleft()

    def leave(self, key: object) -> None:
        """The reader has gone."""
        self._readers.pop(key, None)


@dataclass
class Job:
    """A job that waits or runs.

    Attributes:
        id: its name in messages.
        kind: ``analyse``, ``register``, ``export``.
        step, done, total: the last report.
        cancelled: set to end it at its next report.
    """

    id: str
    kind: str
    step: str = "waiting"
    done: int = 0
    total: int = 0
    cancelled: threading.Event = field(default_factory=threading.Event)

    def described(self) -> dict[str, Any]:
        """For the page."""
        return {"job": self.id, "kind": self.kind, "step": self.step, "done": self.done, "total": self.total}


class Jobs:
    """Runs jobs one after another.

    Args:
        events: where progress and results are published.
        on_session: runs a function in the session's own thread, see ``sedtalker.studio.server``.
    """

    def __init__(self, events: Events, on_session: Callable[..., Any]):
        self.events, self._on_session = events, on_session
        self._thread = ThreadPoolExecutor(1, "studio-jobs")
        self._numbers = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self.running: dict[str, Job] = {}

    def start(self, kind: str, work: Callable[[Hook], Any], then: Callable[[Any], Any]) -> Job:
        """Begin, or queue, a job.

        Args:
            work: runs in the jobs' thread; gets a hook, which raises when the job is cancelled.
            then: runs in the session's thread with what ``work`` gave; what it returns is the result for the page.
        """
        job = Job(str(next(self._numbers)), kind)
        self.running[job.id] = job
        task = asyncio.get_running_loop().create_task(self._run(job, work, then))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return job

    def cancel(self, number: str) -> bool:
        """Ask a job to end; whether there is such a one."""
        job = self.running.get(number)
        if job is not None:
            job.cancelled.set()
        return job is not None

    def close(self) -> None:
        """Cancel everything and wait until nothing is half-written."""
        for job in self.running.values():
            job.cancelled.set()
        self._thread.shutdown(wait=True, cancel_futures=True)

    async def _run(self, job: Job, work: Callable[[Hook], Any], then: Callable[[Any], Any]) -> None:
        loop = asyncio.get_running_loop()
        try:
            made = await loop.run_in_executor(self._thread, work, self._hook(job, loop))
            if job.cancelled.is_set():
                raise JobCancelled
            result = await self._on_session(then, made)
            message: dict[str, Any] = {"type": "done", "result": result}
        except JobCancelled:
            message = {"type": "failed", "error": "cancelled"}
        except InputError as error:
            message = {"type": "failed", "error": str(error)}
        except asyncio.CancelledError:
            raise
        except Exception as error:  # a job must not take the studio with it
            log.error("the job '%s' failed:\n%s", job.kind, traceback.format_exc())
            message = {"type": "failed", "error": f"{job.kind} failed: {type(error).__name__}; the terminal says more"}
        finally:
            self.running.pop(job.id, None)
        self.events.publish({**message, "job": job.id, "kind": job.kind})

    def _hook(self, job: Job, loop: asyncio.AbstractEventLoop) -> Hook:
        last = ("", 0.0)

        def hook(step: str, done: int, total: int) -> None:
            nonlocal last
            if job.cancelled.is_set():
                raise JobCancelled
            job.step, job.done, job.total = step, done, total
            now = time.monotonic()
            if step != last[0] or now - last[1] >= PAUSE or 0 < total <= done:
                last = (step, now)
                loop.call_soon_threadsafe(self.events.publish, {"type": "progress", **job.described()})

        return hook
