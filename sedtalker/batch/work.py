"""One recording of a batch: the results of ``sedtalker animate`` for it, unless they are there already.

``Worker`` is what every process of a batch holds. It takes a task and gives a record, both
plain data; networks and faces stay open between tasks.
"""

from __future__ import annotations

import logging
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, cast

import numpy as np

from sedtalker.arrays import Doubles
from sedtalker.audio import Audio, load_audio
from sedtalker.batch.inputs import Item
from sedtalker.batch.log import DONE, FAILED, KEPT, Record
from sedtalker.batch.opening import OF_A_FIT, cast_of, coordinates_of, open_animator, open_face, shape_options
from sedtalker.batch.settings import TRACK_SUFFIX, TURNS_SUFFIX, BatchSettings, as_plain, parse_settings
from sedtalker.errors import InputError, written
from sedtalker.export.formats import ExportFormat, described, export, reference_of
from sedtalker.phonetics.pronunciation import SpokenWord
from sedtalker.phonetics.words import Word, timed_words
from sedtalker.progress import Hook, in_parts, messages_to, no_progress, one_step
from sedtalker.reading import file_sha256
from sedtalker.staging import clear_left_over
from sedtalker.storage import OutputFolder
from sedtalker.version import __version__

if TYPE_CHECKING:
    from sedtalker.animation.animation import Animation
    from sedtalker.animation.animator import Animator
    from sedtalker.animation.scene import Scene
    from sedtalker.emotion.track import EmotionTrack
    from sedtalker.face.face import Face
    from sedtalker.mesh.mesh import Mesh

log = logging.getLogger(__name__)

Opened = TypeVar("Opened")
"""Something that is costly to open."""

ANIMATORS, FACES = 2, 4
"""How many of them stay open in a process."""


class BatchTask(TypedDict):
    """A recording to work on, as plain data.

    Attributes:
        audio: the file, absolute.
        folder: of its results, absolute.
        settings: ``Settings`` as JSON has it.
        before: the record of an earlier run that finished it, or None.
        overwrite: whether results that are there may be replaced even where no log says that they are the batch's own.
    """

    audio: str
    folder: str
    settings: dict[str, Any]
    before: Record | None
    overwrite: bool


def task_of(item: Item, output: Path, before: Record | None, overwrite: bool) -> BatchTask:
    """The task of a recording."""
    return BatchTask(
        audio=str(item.audio),
        folder=str(output.absolute() / item.name),
        settings=as_plain(item.settings),
        before=before,
        overwrite=overwrite,
    )


class Worker:
    """Works on recordings one after another."""

    def __init__(self, device: str = "auto"):
        self.device = device
        self._animators: OrderedDict[Hashable, Animator] = OrderedDict()
        self._faces: OrderedDict[Hashable, Face | Mesh] = OrderedDict()

    def prepare(self, settings: list[dict[str, Any]], first: dict[str, Any] | None) -> Record:
        """Check options before any work, and open what ``first`` names: a mesh is fitted here, once.

        Returns:
            what there is to say, as ``notes``, or what is wrong, as ``error``.
        """
        notes: list[str] = []
        try:
            with _notes_kept(notes, logging.INFO):
                for values in settings:
                    parse_settings(values).check()
                if first is not None:
                    opened = parse_settings(first)
                    animator = self._animator(opened, opened.emotion is not None)
                    for one in (opened, *cast_of(opened)[1:]):
                        self._face(one, animator.moves_vertices)
        except InputError as error:
            return {"error": str(error)}
        except Exception as error:  # a bug, memory, a library: a dead process could not say so
            return {"error": _said(error)}
        return {"notes": notes}

    def __call__(self, task: BatchTask, started: Callable[[], None] = lambda: None) -> Record:
        """Work on a recording; whatever goes wrong with it is said in the record.

        Args:
            started: called when the results are not there yet, before anything is written.
        """
        began, notes = time.perf_counter(), list[str]()
        record: Record = {"sedtalker": __version__}
        try:
            with _notes_kept(notes):
                self._animate(task, record, started)
        except InputError as error:
            record |= {"state": FAILED, "error": str(error)}
        except Exception as error:  # a bug, memory, a library: the other recordings go on
            record |= {"state": FAILED, "error": _said(error), "traceback": traceback.format_exc()}
        if record["state"] == FAILED and task["before"] is not None:
            record["before"] = task["before"]
        if notes:
            record["notes"] = list(dict.fromkeys(notes))
        return record | {"seconds": round(time.perf_counter() - began, 3)}

    def _animate(self, task: BatchTask, record: Record, started: Callable[[], None]) -> None:
        audio, folder, before = Path(task["audio"]), Path(task["folder"]), task["before"]
        settings = parse_settings(task["settings"])
        clear_left_over(folder)
        key = {
            "input_sha256": file_sha256(audio),
            "options_sha256": settings.fingerprint(),
            "weights": settings.weights(),
            "sedtalker": __version__,
        }
        record |= key
        if before is not None:
            whole = outputs_are_whole(folder, before["outputs"], task["overwrite"])
            if whole and all(before.get(name) == value for name, value in key.items()):
                record |= {"state": KEPT, "outputs": before["outputs"], "duration": before["duration"]}
                return
        started()
        with written(folder.parent):
            # not by OutputFolder, which removes the folders it made when a recording fails: others may need them
            folder.parent.mkdir(parents=True, exist_ok=True)
        overwrite = task["overwrite"] or before is not None
        if settings.speakers is None:
            (sound, _), suffixes = self.animate(audio, settings, folder, overwrite), settings.suffixes()
        else:
            sound, _, suffixes = self.converse(audio, settings, folder, overwrite)
        outputs = {name: file_sha256(folder / name) for name in (audio.stem + suffix for suffix in suffixes)}
        record |= {"state": DONE, "duration": round(sound.duration, 3), "outputs": outputs}

    def animate(
        self,
        audio: Path,
        settings: BatchSettings,
        folder: Path,
        overwrite: bool,
        hook: Hook = no_progress,
        *,
        seen: Callable[[Audio, Animation], None] = lambda sound, animation: None,
        track: EmotionTrack | None = None,
        landmarks: Path | Doubles | None = None,
    ) -> tuple[Audio, Animation]:
        """Animate a recording and write its results, all or none; the sound and the animation.

        Args:
            overwrite: whether results that are there may be replaced.
            seen: called with both before they are drawn and written.
            track: in place of the emotion that the options name.
            landmarks: in place of those that the options name.

        Raises:
            InputError: the sound cannot be read, an option says what there is not, or a result is there already.
        """
        from sedtalker.phonetics.recognition import checked_words

        names = [audio.stem + suffix for suffix in settings.suffixes()]
        with OutputFolder(folder, names, overwrite) as results:
            emotion = settings.emotion if track is None else track
            language, said = settings.language or (None if track is None else track.language), settings.said()
            words = said_in(track) if said is None else checked_words(said, language)
            animator = self._animator(settings, emotion is not None)  # first: what it lacks is said before any work
            with one_step(hook, "reading the audio"):
                sound = load_audio(audio, settings.max_seconds)
            for note in sound.notes:
                log.warning(note)
            animation = animator(
                sound,
                face=self._face(settings, animator.moves_vertices, hook, landmarks),
                emotion=emotion,
                enroll=settings.enroll,
                fill_scale=settings.fill_scale,
                coordinates=coordinates_of(settings),
                words=words,
                language=language,
                motion=settings,
                hook=hook,
            )
            seen(sound, animation)
            write_results(animation, sound, audio, settings, results.path, folder, hook)
        return sound, animation

    def converse(
        self,
        audio: Path,
        settings: BatchSettings,
        folder: Path,
        overwrite: bool,
        hook: Hook = no_progress,
        *,
        seen: Callable[[Scene], None] = lambda scene: None,
    ) -> tuple[Audio, Scene, list[str]]:
        """Animate the speakers of a recording and write the results, all or none.

        ``overwrite`` and ``seen`` are as of ``animate``.

        Returns:
            The recording, the scene, and how the names of the results end.

        Raises:
            InputError: see ``animate``; or nobody speaks.
        """
        from sedtalker.speakers.separation import separate

        assert settings.speakers is not None
        animator = self._animator(settings, False)  # first: what it lacks is said before any work
        with one_step(hook, "finding the speakers"):
            found = separate(audio, settings.speakers, settings.max_seconds)
        for note in found.mixed.notes:
            log.warning(note)
        own, given = settings.speaker_suffixes(found.names), cast_of(settings)
        if len(given) > len(found.names):
            log.warning("%d faces, and %d speakers: the last faces are left out", len(given), len(found.names))
        every = [*settings.suffixes(), *chain.from_iterable(own.values())]
        with OutputFolder(folder, [audio.stem + suffix for suffix in every], overwrite) as results:
            scene = animator.scene(
                audio,
                [cast("Face", self._face(one, animator.moves_vertices, hook)) for one in given[: len(found.names)]],
                speakers=found,
                fill_scale=settings.fill_scale,
                coordinates=coordinates_of(settings),
                listening=settings.listening,
                motion=settings,
                hook=hook,
            )
            suffixes = [*settings.suffixes(), *chain.from_iterable(own[name] for name in scene.names)]
            results.names = [audio.stem + suffix for suffix in suffixes]
            seen(scene)
            write_scene_results(scene, found.mixed, audio, settings, results.path, folder, hook)
        return found.mixed, scene, suffixes

    def _animator(self, s: BatchSettings, is_given: bool) -> Animator:
        """The networks of a recording, opened or as they were; ``is_given``: its emotion."""
        key = s.decoder, s.encoder, is_given, s.model, s.trust
        return kept(self._animators, key, lambda: open_animator(s, is_given, self.device), ANIMATORS)

    def _face(
        self, s: BatchSettings, vertices: bool, hook: Hook = no_progress, landmarks: Path | Doubles | None = None
    ) -> Face | Mesh:
        """The face of a recording, opened or as it was; ``vertices``: as a mesh whose vertices are moved."""
        points = landmarks.tobytes() if isinstance(landmarks, np.ndarray) else landmarks
        fit = s.mesh_head, s.landmarks, s.rig, s.rig_names, points, *(getattr(s, name) for name in OF_A_FIT)
        named = s.mesh, s.face, vertices, *fit
        return kept(self._faces, named, lambda: open_face(s, vertices, hook, landmarks), FACES)


def said_in(track: EmotionTrack | None) -> list[SpokenWord] | None:
    """The words of a track, as the studio aligns them; None where it has none."""
    if track is None or not track.words:
        return None
    return timed_words([Word(*word) for word in track.words], track.language or "en")


def _said(error: Exception) -> str:
    """What is said of an exception that is no ``InputError``."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def kept(held: OrderedDict[Hashable, Opened], key: Hashable, make: Callable[[], Opened], most: int) -> Opened:
    """What is held under a key, or made now; of more than ``most`` the one that was used longest ago goes first."""
    if key not in held:
        while len(held) >= most:
            held.popitem(last=False)
        held[key] = make()
    held.move_to_end(key)
    return held[key]


def write_results(
    animation: Animation,
    sound: Audio | None,
    audio: Path | None,
    settings: BatchSettings,
    written: Path,
    folder: Path,
    hook: Hook = no_progress,
    stem: str | None = None,
) -> None:
    """Write the results of ``sedtalker animate``; an animation without a track has none of its file.

    Args:
        sound: of the video; None: a silent one.
        audio: the recording, which some formats name.
        written: the folder of now.
        folder: where they will lie.
        stem: how their names begin; default: as that of the recording.
    """
    stem = stem or (audio.stem if audio is not None else "animation")
    if settings.video:
        animation.render(written / f"{stem}.{settings.video_format}", sound, hook=hook, **settings.picture())
    options = shape_options(settings.targets, settings.rig_names)
    with one_step(hook, "writing the files"):
        if animation.track is not None:
            animation.track.save(written / (stem + TRACK_SUFFIX))

        def write(row: ExportFormat) -> dict[str, Any]:
            chosen = {key: value for key, value in options.items() if key in row.options}
            file = stem + row.suffix
            return export(animation, written / file, row.name, audio, place=folder / file, **chosen)

        formats = settings.formats()
        # OpenUSD is loaded while no other thread runs: beside others its libraries may wait for them forever
        alone, rest = ([row for row in formats if (row.needs is None) == free] for free in (False, True))

        def made() -> Iterator[dict[str, Any]]:
            yield from map(write, alone)
            with ThreadPoolExecutor() as pool:  # one file is compressed while another is made
                yield from pool.map(write, rest)

        results = dict(zip((row.name for row in in_parts([*alone, *rest])), made(), strict=True))
        for row in formats:
            said = results[row.name]
            if row.name != "arkit" and said.get("residual_share", 0.0) > 0.05:  # of the motion
                other = "--targets all" if settings.rig_names is None else "--targets all in place of --map"
                log.info("%s: %s; %s loses nothing", row.name, described(said), other)


def write_scene_results(
    scene: Scene, sound: Audio, audio: Path, settings: BatchSettings, written: Path, folder: Path, hook: Hook
) -> None:
    """Write the results of a conversation: video, scene and turns, and what ``write_results`` writes of each speaker.

    Args:
        written: the folder of now.
        folder: where they will lie.
    """
    if settings.video:
        from sedtalker.render.scene import render_scene

        video, picture = written / f"{audio.stem}.{settings.video_format}", settings.picture()
        if settings.size == BatchSettings.size:  # a portrait's; the shot knows better
            picture.pop("size")
        render_scene(scene, video, sound, shot=settings.shot, hook=hook, **picture)
    with one_step(hook, "writing the scene"):
        from sedtalker.export.scene import write_scene

        shapes = shape_options(settings.targets, settings.rig_names)["targets"]
        for suffix in in_parts(settings.scene_suffixes()):
            file = audio.stem + suffix
            write_scene(scene, written / file, reference_of(audio, folder / file), shapes)
    scene.turns.save(written / (audio.stem + TURNS_SUFFIX), audio.stem)
    alone = replace(settings, video=False)
    for name, suffixes in settings.speaker_suffixes(scene.turns.speakers).items():
        stem = audio.stem + suffixes[0].removesuffix(TRACK_SUFFIX)
        of = partial(lambda who, step, done, total: hook(f"{step} of {who}", done, total), name)
        write_results(scene.animations[name], None, audio, alone, written, folder, of, stem)


def outputs_are_whole(folder: Path, outputs: Mapping[str, str], overwrite: bool) -> bool:
    """Whether the results of a finished recording are all there, as they were written.

    Raises:
        InputError: one was changed since, perhaps by hand, and ``overwrite`` is off.
    """
    whole = True
    for name, sha256 in outputs.items():
        path = folder / name
        if not path.is_file():
            whole = False
        elif file_sha256(path) != sha256:
            if not overwrite:
                raise InputError(f"{path}: changed since the batch wrote it; --force replaces it")
            whole = False
    return whole


@contextmanager
def _notes_kept(notes: list[str], level: int = logging.WARNING) -> Iterator[None]:
    """Collect what the library logs while the block runs."""
    handler = logging.Handler()
    handler.emit = lambda record: notes.append(record.getMessage())  # type: ignore[method-assign]
    handler.setLevel(level)
    with messages_to(handler, level):
        yield
