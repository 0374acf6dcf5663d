"""What the page can ask of the studio.

All paths are below ``/TOKEN/``. Bodies and answers are JSON but where said; arrays are little-endian float32. Times are
seconds. An error is ``{"error": "one line"}``: 400 bad input, 403 not the page, 404, 413 too large, 500.

``GET (the root)``
    the page; ``static/…`` its files.
``GET api/state``
    everything but arrays, see ``sedtalker.studio.state``.
``GET api/audio.wav``
    the recording, PCM16, mono or stereo; byte ranges.
``GET api/peaks?bins=N``
    N pairs of least and greatest sample of equal parts of the recording.
``GET api/track.bin?from=&to=``
    rows of 11 columns, 50 a second: posterior × 7, intensity, valence, arousal, confidence. Row i is at
    ``(X-Start-Index + i + 1/2) / 50``. Headers ``X-Start-Index X-Rows X-Columns X-Rate X-Revision``.
``GET api/extras.bin?from=&to=``
    the same of the track's further curves, in the order of ``finer`` of the state.
``POST api/learn``
    starts ``{job}`` of kind ``learning from corrections``; one step of the history.
``POST api/finer``
    starts ``{job}`` of kind ``fine-grained emotions``. ``DELETE api/finer``: the track has no further
    curves any more → ``{}``.
``GET api/head.glb``
    the face at rest with all targets, named in ``mesh.extras.targetNames``; the node ``head`` turns about
    ``asset.extras.pivot``.
``GET api/weights.bin?from=&to=&variant=a|b``
    rows a video frame: weights of all targets, rotation vector of the head × 3 (radians), opening of the mouth (in
    outer-eye-corner distances). Row i is at ``(X-Start-Frame + i) / X-Fps``. Headers ``X-Start-Frame X-Frames X-Columns
    X-Fps X-Revision``.
``POST api/edit``
    an edit, see ``sedtalker.studio.edits``, with an optional ``gesture`` → ``{document, base, can_undo, can_redo,
    revision, project, changed: [s, e] | null, decoded: [s, e] | null}``; with another ``base`` there are other words.
    ``POST api/undo`` and ``api/redo`` answer the same. With a ``revision`` each is refused (409) where that has passed.
``POST api/speaker {op, name, other}``
    ``activate``, ``rename`` (to ``other``), ``swap`` (with ``other``) → as ``api/edit``; ``merge`` (into ``other``)
    → job ``merging two speakers``. All but ``activate`` are steps of the history.
``POST api/speakers {speakers}``
    takes the recording apart: ``auto``, a number, ``channels`` → job ``finding the speakers``. ``POST
    api/speakers?name=`` raw: by turns from an RTTM file.
``POST api/compare {on}``
    keeps the present document as variant b, or drops it → ``{compare, revision}``.
``POST api/jobs/ID/cancel``
    → ``{cancelled}``.
``WS api/events``
    ``{type: progress, job, kind, step, done, total}``, ``{type: done, job, kind, result}``, ``{type: failed, job, kind,
    error}`` (``cancelled`` where the user did), ``{type: state, revision}``.
``WS api/live``
    see ``sedtalker.studio.live``.

What brings something in or takes it out is in ``sedtalker.studio.file_routes``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

from sedtalker.arrays import Floats
from sedtalker.errors import InputError
from sedtalker.live.outgoing import Outgoing
from sedtalker.reading import checked
from sedtalker.server.access import GONE
from sedtalker.studio.document import ClipSettings
from sedtalker.studio.file_routes import FileRoutes
from sedtalker.studio.live import run_live, stream_settings
from sedtalker.studio.recognition import FINER, LEARN, find_fine_emotions, learn_from_corrections
from sedtalker.studio.requests import content_policy, read_json, receive_file
from sedtalker.studio.sound import MOST_PEAKS
from sedtalker.studio.speakers import FIND, MERGE, SpeakerChange, change_speaker, find_speakers, merge_speakers
from sedtalker.studio.state import OTHER_BYTES, edited_state, state
from sedtalker.studio.studio import Studio

STATIC = Path(str(files("sedtalker.studio") / "static"))
"""Folder of the page's files."""


class StudioRoutes:
    """The paths of a studio, see the module."""

    def __init__(self, studio: Studio, port: int):
        self.studio, self.session, self.port = studio, studio.session, port
        self.files = FileRoutes(studio)
        self.live_busy = False

    def table(self) -> list[BaseRoute]:
        return [
            Route("/", self.page),
            Mount("/static", StaticFiles(directory=STATIC)),
            Route("/api/state", self.state),
            Route("/api/audio.wav", self.audio),
            Route("/api/peaks", self.peaks),
            Route("/api/track.bin", partial(self._rows, self.session.track_rows)),
            Route("/api/extras.bin", partial(self._rows, self.session.extra_rows)),
            Route("/api/learn", self.learn, methods=["POST"]),
            Route("/api/finer", self.find_finer, methods=["POST"]),
            Route("/api/finer", self.drop_finer, methods=["DELETE"]),
            Route("/api/head.glb", self.head),
            Route("/api/weights.bin", self.weights),
            Route("/api/edit", self.edit, methods=["POST"]),
            Route("/api/undo", partial(self._step, self.session.undo), methods=["POST"]),
            Route("/api/redo", partial(self._step, self.session.redo), methods=["POST"]),
            Route("/api/speaker", self.speaker, methods=["POST"]),
            Route("/api/speakers", self.speakers, methods=["POST"]),
            Route("/api/compare", self.compare, methods=["POST"]),
            Route("/api/jobs/{job}/cancel", self.cancel, methods=["POST"]),
            *self.files.table(),
            WebSocketRoute("/api/events", self.events),
            WebSocketRoute("/api/live", self.live),
        ]

    # --- The page.

    async def page(self, request: Request) -> Response:
        text = await run_in_threadpool((STATIC / "index.html").read_bytes)
        policy = {"content-security-policy": content_policy(self.port, text)}
        return Response(text, media_type="text/html", headers=policy)

    async def state(self, request: Request) -> Response:
        return JSONResponse(await self.studio.on_session(self._state))

    def _state(self) -> dict[str, Any]:
        left = self.studio.left
        return {
            **state(self.session),
            "recovery": None if left is None else {"saved_at": left.saved_at, "audio": left.audio},
            "jobs": [job.described() for job in [*self.studio.jobs.running.values()]],
            "exports": self.files.results,
        }

    # --- Sound, track and motion.

    async def audio(self, request: Request) -> Response:
        clip, _ = self.session.opened()
        return FileResponse(clip.wav, media_type="audio/wav")

    async def peaks(self, request: Request) -> Response:
        bins = int(min(_number(request, "bins", 2000), MOST_PEAKS))
        clip, _ = self.session.opened()
        return _array(await run_in_threadpool(clip.peaks, bins), {})

    async def _rows(self, cut: Callable[[float, float], tuple[int, Floats]], request: Request) -> Response:
        def work() -> Response:
            first, rows = cut(*_stretch(request))
            return _array(rows, {"Start-Index": first, "Rate": 50, "Revision": self.session.revision})

        return await self.studio.on_session(work)

    async def learn(self, request: Request) -> Response:
        prepared = await self.studio.on_session(learn_from_corrections, self.session)
        return self.files.job(LEARN, *prepared)

    async def find_finer(self, request: Request) -> Response:
        return self.files.job(FINER, *find_fine_emotions(self.session))

    async def drop_finer(self, request: Request) -> Response:
        await self.studio.change(self.session.open_extras, {})
        return JSONResponse({})

    async def head(self, request: Request) -> Response:
        subject = self.session.subject
        return Response(await run_in_threadpool(lambda: subject.glb), media_type="model/gltf-binary")

    async def weights(self, request: Request) -> Response:
        variant = request.query_params.get("variant", "a")
        if variant not in ("a", "b"):
            raise InputError("the variant is either a or b")
        self.studio.motion_asked()

        def work() -> Response:
            first, rows, fps = self.session.weight_rows(*_stretch(request), variant)
            said = {"Start-Frame": first, "Frames": len(rows), "Fps": fps, "Revision": self.session.revision}
            return _array(rows, said)

        return await self.studio.on_session(work)

    # --- Edits.

    async def edit(self, request: Request) -> Response:
        values = await read_json(request)
        seen = values.pop("revision", None)
        return await self._edited(partial(self.session.edit, values), seen)

    async def _step(self, step: Callable[[], dict[str, Any]], request: Request) -> Response:
        return await self._edited(step, (await read_json(request)).get("revision"))

    async def _edited(self, change: Callable[[], dict[str, Any]], seen: object = None) -> Response:
        def work() -> dict[str, Any]:
            if seen not in (None, self.session.revision):
                raise HTTPException(409, "something else was changed at the same time: look, and edit again")
            moved = change()
            return {**edited_state(self.session), **moved}

        return JSONResponse(await self.studio.change(work))

    async def speaker(self, request: Request) -> Response:
        change: SpeakerChange = checked(SpeakerChange, await read_json(request))
        if change.op == "merge":
            prepared = await self.studio.on_session(merge_speakers, self.session, change.name, change.other)
            return self.files.job(MERGE, *prepared)
        return await self._edited(partial(change_speaker, self.session, change))

    async def speakers(self, request: Request) -> Response:
        if "name" in request.query_params:
            wanted = str(await receive_file(request, self.files.uploads, OTHER_BYTES))
        else:
            wanted = str((await read_json(request)).get("speakers", ""))
            if not (wanted in ("auto", "channels") or wanted.isdigit()):
                raise InputError(f"speakers {wanted}: auto, channels, or how many there are")
        prepared = await self.studio.on_session(find_speakers, self.session, wanted)
        return self.files.job(FIND, *prepared)

    async def compare(self, request: Request) -> Response:
        on = bool((await read_json(request)).get("on"))
        await self.studio.change(self.session.compare, on)
        return JSONResponse({"compare": on, "revision": self.session.revision})

    async def cancel(self, request: Request) -> Response:
        return JSONResponse({"cancelled": self.studio.jobs.cancel(request.path_params["job"])})

    # --- Messages.

    async def events(self, socket: WebSocket) -> None:
        await socket.accept()
        reader = self.studio.events.join()
        try:
            await _both(socket, reader)
        finally:
            self.studio.events.leave(reader)

    async def live(self, socket: WebSocket) -> None:
        await socket.accept()
        if self.live_busy:
            await socket.send_json({"type": "error", "error": "another page is live already: stop it there first"})
            await socket.close(1013)
            return
        self.live_busy = True
        try:
            settings = self.session.document.settings if self.session.history is not None else ClipSettings()
            await run_live(socket, self.session.models, self.session.subject.face, stream_settings(settings))
        finally:
            self.live_busy = False
        with contextlib.suppress(RuntimeError, OSError):  # the page has gone
            await socket.close()


async def _both(socket: WebSocket, reader: Outgoing[dict[str, Any]]) -> None:
    """Send what a reader gets until the page goes."""

    async def sending() -> None:
        with contextlib.suppress(*GONE):
            while await reader.more():
                await socket.send_json(reader.waiting.popleft())

    async with anyio.create_task_group() as group:
        group.start_soon(sending)
        while (await socket.receive())["type"] != "websocket.disconnect":
            pass
        group.cancel_scope.cancel()


def _array(rows: Any, said: Mapping[str, object]) -> Response:
    headers = {f"X-{name}": str(value) for name, value in said.items()}
    headers |= {"X-Rows": str(len(rows)), "X-Columns": str(rows.shape[1])}
    return Response(rows.tobytes(), media_type="application/octet-stream", headers=headers)


def _number(request: Request, name: str, usual: float) -> float:
    text = request.query_params.get(name, "")
    try:
        value = float(text) if text else usual
    except ValueError:
        value = float("nan")
    if value != value or value < 0:
        raise InputError(f"{name}={text}: give a number of 0 or more")
    return value


def _stretch(request: Request) -> tuple[float, float]:
    return _number(request, "from", 0.0), _number(request, "to", float("inf"))
