"""A running studio: the session, the threads that work on it, and the pages that watch it.

Three threads. The event loop answers and never computes. The session's thread runs everything that reads or changes the
session, one after another, decoding included. The jobs' thread runs what takes long: analysing, registering, exporting.
A fourth keeps unsaved edits and decodes long recordings as a whole while nothing else is to do.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from sedtalker.errors import InputError
from sedtalker.live.outgoing import Outgoing
from sedtalker.nn import one_thread
from sedtalker.progress import Hook
from sedtalker.studio.autosave import Left, StudioFolder
from sedtalker.studio.opening import Then, Work
from sedtalker.studio.project import Project
from sedtalker.studio.recognition import FINER, find_fine_emotions
from sedtalker.studio.session import Session
from sedtalker.studio.speakers import FIND, find_speakers

log = logging.getLogger(__name__)

R = TypeVar("R")
"""What a function gives."""

AUTOSAVE_PAUSE = 0.7
"""Seconds after an edit until it is kept; edits in between are kept with it."""
IDLE = 1.5
"""Seconds without a request for motion after which a long recording is decoded as a whole."""


class Studio:
    """A session, the threads that work on it, and the pages that watch it.

    Args:
        home: the studio's folder: uploads, what the page plays, results of exports, unsaved edits.
        finer: whether every opened recording gets fine-grained emotions, see ``sedtalker.studio.recognition``.
    """

    def __init__(self, session: Session, home: StudioFolder, *, finer: bool = False):
        self.session, self.home, self.finer = session, home, finer
        self.left: Left | None = home.left_by_others()
        self.events = Events()
        self.jobs = Jobs(self.events, self.on_session)
        self._thread = ThreadPoolExecutor(1, "studio-session", initializer=one_thread)
        self._aside = ThreadPoolExecutor(1, "studio-aside", initializer=one_thread)
        self._saving: asyncio.Task[None] | None = None
        self._exact: asyncio.Task[None] | None = None
        self._asked = 0.0
        self._ended = False

    @property
    def folder(self) -> Path:
        return self.home.path

    async def on_session(self, work: Callable[..., R], *args: Any) -> R:
        """Run ``work`` in the session's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)

    async def change(self, work: Callable[..., R], *args: Any) -> R:
        """Run ``work``, which changes the session, in its thread; the pages are informed."""
        made = await self.on_session(work, *args)
        self.touched()
        return made

    def start(self, kind: str, work: Work, then: Then, after: Callable[[], Any] | None = None) -> Job:
        """Begin a job whose result changes what the page shows.

        Args:
            work: see ``sedtalker.studio.opening``.
            after: called in the event loop when the result is taken over, such as to begin another job.
        """

        def taken(made: Any) -> Any:
            result = then(made)
            loop.call_soon_threadsafe(self.touched)
            if after is not None:
                loop.call_soon_threadsafe(after)
            return result

        loop = asyncio.get_running_loop()
        return self.jobs.start(kind, work, taken)

    def bring(self, kind: str, work: Work, then: Then, speakers: str | None = None) -> Job:
        """Begin a job that opens a recording; where it is wanted, it is taken apart, or its fine-grained emotions are
        found, after it.
        """

        def find() -> None:
            if speakers is not None and self.session.clip is not None:
                self.start(FIND, *find_speakers(self.session, speakers))
            elif self.finer and self.session.clip is not None and not self.session.extras:
                self.start(FINER, *find_fine_emotions(self.session))

        return self.start(kind, work, then, find)

    def touched(self) -> None:
        """The session has changed: say so, and keep it before long."""
        self.events.publish({"type": "state", "revision": self.session.revision})
        if self._saving is None or self._saving.done():
            self._saving = asyncio.get_running_loop().create_task(self._autosave())

    async def _autosave(self) -> None:
        await asyncio.sleep(AUTOSAVE_PAUSE)
        if self._ended:
            return
        self._saving = None  # an edit from here on is kept by the next one
        project = await self.on_session(self._unsaved)
        try:
            await asyncio.get_running_loop().run_in_executor(self._aside, self.home.keep, project)
        except InputError as error:
            log.warning(f"unsaved edits could not be kept: {error}")

    def _unsaved(self) -> Project | None:
        return self.session.snapshot().project if self.session.dirty else None

    def motion_asked(self) -> None:
        """Motion was shown; when nothing more is asked for, decode a long recording as a whole, and say so."""
        self._asked = time.monotonic()
        if self._exact is None or self._exact.done():
            self._exact = asyncio.get_running_loop().create_task(self._decode_exactly())

    async def _decode_exactly(self) -> None:
        while not self._ended:
            revision = self.session.revision  # of before: an edit while the session is asked is not decoded
            if (since := time.monotonic() - self._asked) < IDLE or self.jobs.running:
                await asyncio.sleep(max(IDLE - since, PAUSE))
                continue
            try:
                if (wanted := await self.on_session(self.session.inexact)) is not None:
                    decode, take = wanted
                    motion = await asyncio.get_running_loop().run_in_executor(self._aside, decode)
                    if not self._ended:
                        await self.on_session(take, motion)
                    continue
            except Exception as error:  # the page has its motion in pieces
                log.warning(f"the recording could not be decoded as a whole: {error}", exc_info=True)
            return self.events.publish({"type": "decoded", "revision": revision})

    def close(self) -> None:
        """Cancel the jobs, keep unsaved edits, end the threads."""
        self._ended = True  # what waits to be kept is kept here
        self.jobs.close()
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._aside.shutdown(wait=True, cancel_futures=True)
        if self.left is not None:
            self.left.lock.close()
        with contextlib.suppress(InputError):
            self.home.keep(self._unsaved())


# --- Work that takes long: one job at a time in a thread of its own, with progress, and cancelled between two steps.


PAUSE = 0.08
"""Seconds between two messages about one step."""
MOST_WAITING = 500
"""Messages kept for a page that does not read them; then the oldest are dropped."""


class JobCancelled(Exception):
    """The user has cancelled the job; raised by its hook, so that everything half-written is removed on the way."""


class Events:
    """Messages to every page that is open."""

    def __init__(self) -> None:
        self._readers: set[Outgoing[dict[str, Any]]] = set()

    def publish(self, message: dict[str, Any]) -> None:
        """Send to all; from the thread of the event loop."""
        for reader in self._readers:
            reader.add(message)

    def join(self) -> Outgoing[dict[str, Any]]:
        reader = Outgoing[dict[str, Any]](MOST_WAITING)
        self._readers.add(reader)
        return reader

    def leave(self, reader: Outgoing[dict[str, Any]]) -> None:
        self._readers.discard(reader)


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
