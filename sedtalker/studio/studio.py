"""A running studio: the session, the threads that work on it, and the pages that watch it.

Three threads. The event loop answers and never computes. The session's thread runs everything that reads or changes the
session, one after another, decoding included. The jobs' thread runs what takes long: analysing, registering, exporting.
A fourth keeps unsaved edits and decodes long recordings as a whole while nothing else is to do.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from sedtalker.errors import InputError
from sedtalker.nn import one_thread
from sedtalker.studio.autosave import Left, StudioFolder
from sedtalker.studio.diarizing import FINER, find_fine_emotions
from sedtalker.studio.jobs import Events, Job, Jobs
from sedtalker.studio.opening import Then, Work
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
        finer: whether every opened recording gets fine-grained emotions, see ``sedtalker.studio.diarizing``.
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
        self._ended = False

    @property
    def folder(self) -> Path:
        """Folder of this studio."""
        return self.home.path

    async def on_session(self, work: Callable[..., R], *args: Any) -> R:
        """Run ``work`` in the session's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)

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
        dirty, snapshot = await self.on_session(self._unsaved)
        loop = asyncio.get_running_loop()
        try:
            if dirty:
                await loop.run_in_executor(self._aside, self.home.save, snapshot.project, snapshot.clip.name)
            else:
                await loop.run_in_executor(self._aside, self.home.clear)
        except InputError as error:
            log.warning(f"unsaved edits could not be kept: {error}")

    def _unsaved(self) -> tuple[bool, Any]:
        return (True, self.session.snapshot()) if self.session.dirty else (False, None)

    def motion_asked(self) -> None:
        """Motion was shown; when nothing more is asked for, decode a long recording as a whole."""
        if self._exact is not None:
            self._exact.cancel()
        self._exact = asyncio.get_running_loop().create_task(self._decode_exactly())

    async def _decode_exactly(self) -> None:
        await asyncio.sleep(IDLE)
        if self._ended or self.jobs.running:
            return
        wanted = await self.on_session(self.session.inexact)
        if wanted is not None:
            decode, take = wanted
            motion = await asyncio.get_running_loop().run_in_executor(self._aside, decode)
            await self.on_session(take, motion)

    def close(self) -> None:
        """Cancel the jobs, keep unsaved edits, end the threads."""
        self._ended = True  # what waits to be kept is kept here
        self.jobs.close()
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._aside.shutdown(wait=True, cancel_futures=True)
        if self.left is not None:
            self.left.lock.close()
        if self.session.dirty:
            snapshot = self.session.snapshot()
            with contextlib.suppress(InputError):
                self.home.save(snapshot.project, snapshot.clip.name)
        else:
            self.home.clear()
