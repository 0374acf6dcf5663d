"""What the page can bring in and take out: recordings, heads, tracks, words, projects and results.

Below ``/TOKEN/``; a raw body is the file itself, its name in ``?name=``. What takes long answers ``{job}`` at once, and
the rest comes through ``api/events``.

``POST api/audio?name=`` raw
    a recording → job ``analyse``. ``GET api/recording``: the file as it was given.
``POST api/mesh?name=`` raw
    a head → job ``register``. ``POST api/face {name}``: a built-in face → job ``register``.
``GET api/faces``
    ``[{name, title, thumbnail}]``; ``GET api/faces/NAME.png`` its picture.
``GET api/landmarks``
    ``{points: [{name, position}], report, movable}``, metres, on the head at rest. ``POST api/landmarks
    {name: [x, y, z], …}``: registers the head again → job ``register``.
``POST api/track?name=`` raw
    a track of the recording, any track format → as ``api/edit`` answers; one step of the history.
``POST api/annotation?name=`` raw
    what both hold, as subtitles do: taken as a track or as words, whichever it is → as above or below.
``POST api/words?name=&language=`` raw
    WebVTT, SRT, TextGrid, CTM or Whisper's JSON → ``{words, job}``; with the job ``words`` the lips follow.
    ``POST api/words/recognised {language}`` → job ``words``. ``POST api/words/text {text}``: corrected → as above.
``POST api/export {formats, targets, size, points, metres, everybody}``
    → job ``export``, whose result is ``{id, files: [{format, name, url, bytes, said}]}``. ``GET api/exports/ID/NAME``.
``GET api/project``
    the project as a file. ``POST api/project {path, force}``: saved there → ``{path, dirty}``. ``POST
    api/project?name=`` raw: opened → job ``open``. ``POST api/beside?name=`` raw: a recording or a mesh that the
    next project may name → ``{}``.
``POST api/recover``
    opens what a studio that ended had not saved → job ``open``. ``DELETE api/recover``: drops it → ``{}``.

Where edits are not saved, a recording, a project and what was left are opened only with ``discard=true``; else 409.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sedtalker.emotion.formats.files import read_track
from sedtalker.errors import InputError, called
from sedtalker.phonetics.words import Word, read_words
from sedtalker.progress import Hook
from sedtalker.reading import read_bytes
from sedtalker.server.access import attachment
from sedtalker.studio import autosave, opening
from sedtalker.studio.exports import KEPT, export_files, parse_request
from sedtalker.studio.head import face_picture, list_faces
from sedtalker.studio.opening import Then, Work
from sedtalker.studio.project import SUFFIX
from sedtalker.studio.recognition import WORDS, corrected, find_words, place_words, take_words
from sedtalker.studio.requests import name_of, read_body, read_json, receive_file
from sedtalker.studio.state import AUDIO_BYTES, MESH_BYTES, OTHER_BYTES, edited_state, face_state, project_state
from sedtalker.studio.studio import Studio


class FileRoutes:
    """See the module; ``results``: those of the last exports, the newest last."""

    def __init__(self, studio: Studio):
        self.studio, self.session = studio, studio.session
        self.uploads = studio.folder / "uploads"
        self.results: list[dict[str, Any]] = []
        self._exports = 0

    def table(self) -> list[BaseRoute]:
        return [
            Route("/api/audio", self.audio, methods=["POST"]),
            Route("/api/recording", self.recording),
            Route("/api/mesh", self.mesh, methods=["POST"]),
            Route("/api/face", self.face, methods=["POST"]),
            Route("/api/faces", self.faces),
            Route("/api/faces/{name}.png", self.picture),
            Route("/api/landmarks", self.landmarks),
            Route("/api/landmarks", self.move_landmarks, methods=["POST"]),
            Route("/api/track", self.track, methods=["POST"]),
            Route("/api/annotation", self.annotation, methods=["POST"]),
            Route("/api/words", self.words, methods=["POST"]),
            Route("/api/words/recognised", self.find_words, methods=["POST"]),
            Route("/api/words/text", self.correct_words, methods=["POST"]),
            Route("/api/export", self.export, methods=["POST"]),
            Route("/api/exports/{id}/{name}", self.exported),
            Route("/api/project", self.download_project),
            Route("/api/project", self.save_or_open, methods=["POST"]),
            Route("/api/beside", self.beside, methods=["POST"]),
            Route("/api/recover", self.recover, methods=["POST"]),
            Route("/api/recover", self.forget, methods=["DELETE"]),
        ]

    def job(self, kind: str, work: Work, then: Then) -> Response:
        """Begin a job; the answer has its number."""
        return JSONResponse({"job": self.studio.start(kind, work, then).id})

    async def _leaving(self, request: Request) -> object:
        """What is not saved and may be given up (``?discard=true``); None: everything is saved.

        Raises:
            HTTPException: something is not saved, and nobody has said that it may go.
        """

        def unsaved() -> object:
            return self.session.holding() if self.session.dirty else None

        left = await self.studio.on_session(unsaved)
        if left is not None and request.query_params.get("discard") != "true":
            raise HTTPException(409, "there are edits that are not saved: save or discard them first")
        return left

    def _bring(self, kind: str, work: Work, then: Then, left: object) -> Response:
        """Begin a job that opens something else; edits made while it runs are no part of what is ``left``, and stay."""

        def taken(made: Any) -> Any:
            if self.session.dirty and self.session.holding() != left:
                raise InputError("something was edited in the meantime, so nothing else was opened: open it again")
            return then(made)

        return JSONResponse({"job": self.studio.bring(kind, work, taken).id})

    # --- A recording, a head, a face.

    async def audio(self, request: Request) -> Response:
        left = await self._leaving(request)
        path = await receive_file(request, self.uploads, AUDIO_BYTES)
        return self._bring("analyse", *opening.recording(self.session, path, self.studio.folder), left)

    async def recording(self, request: Request) -> Response:
        clip, _ = self.session.opened()
        return FileResponse(clip.path, filename=clip.path.name)

    async def mesh(self, request: Request) -> Response:
        name = name_of(request)
        if Path(name).suffix.lower() not in opening.MESHES:
            raise InputError(f"{name}: a head is read from {', '.join(opening.MESHES)}")
        path = await receive_file(request, self.uploads, MESH_BYTES)
        return self.job("register", *opening.head(self.session, path))

    async def face(self, request: Request) -> Response:
        name = str((await read_json(request)).get("name", ""))
        return self.job("register", *opening.builtin_face(self.session, name))

    async def faces(self, request: Request) -> Response:
        return JSONResponse(list_faces())

    async def picture(self, request: Request) -> Response:
        return Response(await run_in_threadpool(face_picture, request.path_params["name"]), media_type="image/png")

    async def landmarks(self, request: Request) -> Response:
        subject = self.session.subject
        said = {
            "points": opening.landmark_points(subject),
            "report": face_state(subject)["report"],
            "movable": opening.movable(subject),
        }
        return JSONResponse(said)

    async def move_landmarks(self, request: Request) -> Response:
        subject = self.session.subject
        points = opening.moved_landmarks(subject, await read_json(request))
        assert subject.path is not None
        return self.job("register", *opening.head(self.session, subject.path, points))

    # --- A track and words.

    async def track(self, request: Request) -> Response:
        return await self._take_track(await receive_file(request, self.uploads, OTHER_BYTES))

    async def annotation(self, request: Request) -> Response:
        self.session.opened()
        path = await receive_file(request, self.uploads, OTHER_BYTES)
        with called(path):
            if await run_in_threadpool(opening.is_track, path):
                return await self._take_track(path)
            words = await run_in_threadpool(read_words, read_bytes(path, "a file of words"), path.name)
        return await self._take_words(words, None)

    async def _take_track(self, path: Path) -> Response:
        def work() -> dict[str, Any]:
            clip, _ = self.session.opened()
            with called(path):
                moved = self.session.open_track(read_track(path, clip.sound.duration))
            return {**edited_state(self.session), **moved}

        reply = await self.studio.change(work)
        if self.session.track.words not in {(), *self.session.cast.part.voice.decoding.phones}:
            self.studio.start(WORDS, *place_words(self.session))
        return JSONResponse(reply)

    async def words(self, request: Request) -> Response:
        self.session.opened()
        words = await run_in_threadpool(read_words, await read_body(request, OTHER_BYTES), name_of(request))
        return await self._take_words(words, request.query_params.get("language"))

    async def find_words(self, request: Request) -> Response:
        self.session.opened()
        language = (await read_json(request)).get("language")
        return self.job(WORDS, *find_words(self.session, str(language) if language else None))

    async def correct_words(self, request: Request) -> Response:
        track = self.session.track
        text = str((await read_json(request)).get("text", ""))
        return await self._take_words(corrected(self.session.words, text), track.language)

    async def _take_words(self, words: Sequence[Word], language: str | None) -> Response:
        await self.studio.change(take_words, self.session, words, language)
        job = self.studio.start(WORDS, *place_words(self.session)).id
        return JSONResponse({"words": [asdict(word) for word in words], "job": job, "kind": WORDS})

    # --- Results.

    async def export(self, request: Request) -> Response:
        wanted = parse_request(await read_json(request))
        snapshot = await self.studio.on_session(self.session.snapshot)
        self._exports += 1
        number = str(self._exports)
        folder = self.studio.folder / "exports" / number

        def work(hook: Hook) -> list[dict[str, Any]]:
            return export_files(wanted, self.session.models, snapshot, folder, hook)

        def then(made: list[dict[str, Any]]) -> dict[str, Any]:
            files = [{**file, "url": f"api/exports/{number}/{quote(file['name'])}"} for file in made]
            result = {"id": number, "files": files}
            self.results.append(result)
            while len(self.results) > KEPT:
                oldest = self.results.pop(0)["id"]
                shutil.rmtree(self.studio.folder / "exports" / oldest, ignore_errors=True)
            return result

        return JSONResponse({"job": self.studio.jobs.start("export", work, then).id})

    async def exported(self, request: Request) -> Response:
        number, name = request.path_params["id"], request.path_params["name"]
        known = any(r["id"] == number and any(f["name"] == name for f in r["files"]) for r in [*self.results])
        path = self.studio.folder / "exports" / number / name
        if not known or not path.is_file():
            raise HTTPException(404, "there is no such result any more: export again")
        return FileResponse(path, filename=name, media_type="application/octet-stream")

    # --- Projects.

    async def download_project(self, request: Request) -> Response:
        snapshot = await self.studio.on_session(self.session.snapshot)
        text = await run_in_threadpool(autosave.downloaded, snapshot.project, self.studio.folder)
        headers = attachment(f"{snapshot.clip.path.stem}{SUFFIX}")
        return Response(text, media_type="application/json", headers=headers)

    async def save_or_open(self, request: Request) -> Response:
        if "name" in request.query_params:
            unsaved, name = await self._leaving(request), name_of(request)
            data = await read_body(request, OTHER_BYTES)
            read = opening.dropped_project(self.session, data, name, self.uploads)
            return self._bring("open", *opening.project(self.session, read, self.studio.folder, None), unsaved)
        values = await read_json(request)
        path = autosave.project_path(str(values.get("path", "")), self.session.project, bool(values.get("force")))
        snapshot = await self.studio.on_session(self.session.snapshot)
        await run_in_threadpool(autosave.save, path, snapshot.project, self.studio.folder)

        def saved() -> dict[str, Any]:
            self.session.saved_to(path, snapshot)
            return project_state(self.session)

        return JSONResponse(await self.studio.change(saved))

    async def beside(self, request: Request) -> Response:
        await receive_file(request, self.uploads, AUDIO_BYTES)
        return JSONResponse({})

    async def recover(self, request: Request) -> Response:
        left = self.studio.left
        if left is None:
            raise InputError("there is nothing to recover")
        unsaved = await self._leaving(request)
        read = partial(autosave.recovered, left, self.uploads)
        work, then = opening.project(self.session, read, self.studio.folder, None)

        def taken(made: Any) -> Any:
            result = then(made)
            self.session.unsaved()
            self.studio.left = None
            left.drop()
            return result

        return self._bring("open", work, taken, unsaved)

    async def forget(self, request: Request) -> Response:
        left, self.studio.left = self.studio.left, None
        if left is not None:
            await run_in_threadpool(left.drop)
        return JSONResponse({})
