"""Networks and faces as options of the command line name them; the commands and the batch open them alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from sedtalker.animation.option_fields import Option, Targets, listed
from sedtalker.animation.performance import Performance
from sedtalker.errors import InputError
from sedtalker.models import decoder_choice, diarizer_choice, model_folder
from sedtalker.progress import Hook
from sedtalker.reading import is_file, is_folder, is_there

if TYPE_CHECKING:
    from sedtalker.animation.animator import Animator
    from sedtalker.arrays import Doubles
    from sedtalker.emotion.diarizer import Diarizer
    from sedtalker.face.face import Face
    from sedtalker.face.shape_maps import ShapeMap
    from sedtalker.mesh.mesh import Mesh, Scene

T = TypeVar("T", bound=Performance)
"""A class of options."""
OF_A_FIT = ("open_mouth", "mouth", "eyes", "strength")
"""Options that say how the head of a file is fitted."""


@dataclass(frozen=True)
class BatchOptions(Performance):
    """Options of ``sedtalker animate`` of one recording among many.

    Attributes:
        only: formats that are written instead of GLB and npz; empty: as ``sedtalker animate`` does.
        words_beside: words of a recording that has none are those of a file beside it (``inputs.words_beside``).
    """

    only: Annotated[
        tuple[str, ...],
        Option(
            "Files",
            "Write only these formats, separated by commas, and the emotion track; emotion: only the track.",
            read=listed,
        ),
    ] = ()
    words_beside: Annotated[
        bool,
        Option(
            "Words", "Words of each recording: NAME.TextGrid, .vtt, .txt, … beside NAME.wav.", flags=("--words-beside",)
        ),
    ] = False


def check_enroll(enroll: Sequence[Path] | None, model: str | None, emotion: str | None = None) -> None:
    """Raise ``InputError`` when ``--enroll`` would do nothing."""
    if folder := next(filter(is_folder, enroll or ()), None):
        raise InputError(f"{folder} is a folder: --enroll takes recordings, one each")
    if enroll and model is not None and model.startswith("hf:"):
        raise InputError("--enroll is for SEDTalker's own diarizers; a classifier of the hub cannot use it")
    if enroll and emotion is not None:
        raise InputError("--enroll is for the diarizer; it does nothing with an emotion that is given")


def open_face(options: Performance, as_mesh: bool, hook: Hook, landmarks: Path | Doubles | None = None) -> Face | Mesh:
    """The face to animate.

    Args:
        options: name it, and say how a mesh is fitted.
        as_mesh: the decoder moves vertices and takes the mesh as it is.
        landmarks: in place of those that the options name; points (68, 3) or a file.
    """
    from sedtalker.face import Face
    from sedtalker.face.sources import with_file
    from sedtalker.mesh.files import read_scene
    from sedtalker.mesh.mesh import Mesh

    check_face(options)
    if options.mesh is None:
        return Face.builtin(options.face)
    if as_mesh:
        return Mesh.load(options.mesh)
    subject: Path | Scene = options.mesh
    names = shape_map_of(options.rig_names)
    if names is not None and options.mesh.suffix.lower() != ".sedface":
        scene = read_scene(options.mesh)
        subject = names.renamed(scene) if len(scene.target_names) else subject
    face = Face.from_mesh(
        subject,
        head=options.mesh_head,
        landmarks=options.landmarks if landmarks is None else landmarks,
        rig=options.rig,
        **{name: getattr(options, name) for name in OF_A_FIT},
        hook=hook,
    )
    return face if subject is options.mesh else with_file(replace(face, name=options.mesh.stem), options.mesh)


def shape_map_of(word: str | None) -> ShapeMap | None:
    """The map that ``--map`` names; ``InputError`` where it cannot be read."""
    if word is None:
        return None
    from sedtalker.face.shape_maps import read_shape_map

    return read_shape_map(word)


def shape_options(targets: Targets, rig_names: str | None) -> dict[str, Any]:
    """Options of ``sedtalker.export.formats.export`` for blend shapes: ``targets``, or those of another rig."""
    rig = shape_map_of(rig_names)
    return {"targets": targets if rig is None else rig, "names": rig}


def check_face(options: Performance) -> None:
    """Raise ``InputError`` when options of a face contradict each other, or mean nothing."""
    mesh, how = options.mesh, (options.mouth, options.eyes, options.strength)
    if mesh is not None and options.face is not None:
        raise InputError("choose one of --mesh and --face")
    if mesh is None and (options.mesh_head is not None or options.landmarks is not None):
        raise InputError("--mesh-head and --landmarks need --mesh")
    if mesh is None and (options.rig is not None or options.open_mouth):
        raise InputError("--rig and --open-mouth need --mesh")
    if how != (Performance.mouth, Performance.eyes, Performance.strength):
        if mesh is None or mesh.suffix.lower() == ".sedface":
            raise InputError("--mouth, --eyes and --strength need a --mesh file that is not registered yet")
        from sedtalker.face.fitting import FitOptions

        FitOptions(mouth=options.mouth, eyes=options.eyes, strength=options.strength)
    if mesh is not None and is_there(mesh) and mesh.suffix.lower() != ".sedface":
        from sedtalker.mesh.files import check_format

        check_format(mesh)
    if options.landmarks is not None:
        from sedtalker.face.given_landmarks import landmark_points

        landmark_points(options.landmarks)
    if options.rig is not None:
        from sedtalker.face.blend_shapes import check_rig

        check_rig(options.rig)
    if options.face is not None:
        from sedtalker.face.builtin.named import checked_seed

        checked_seed(options.face)


def is_head_file(word: str) -> bool:
    """Whether the face of a further speaker is a file, rather than a built-in one."""
    return bool(Path(word).suffix) or is_file(Path(word))


def cast_of(options: T) -> list[T]:
    """The options of each face that is given for a speaker: the first as it is, others by ``others``.

    What says where the head of a file is belongs to the first; how heads are fitted is the same for all.
    """
    first = [options] if options.mesh is not None or options.face is not None else []
    plain = replace(options, mesh=None, face=None, mesh_head=None, landmarks=None, rig=None)
    how: dict[str, Any] = {name: getattr(Performance, name) for name in OF_A_FIT}
    if options.others and not first:
        from sedtalker.face.builtin import FACES

        first = [replace(options, face=next(iter(FACES)))]
    more = [
        replace(plain, mesh=Path(word)) if is_head_file(word) else replace(plain, face=word, **how)
        for word in options.others
    ]
    return [*first, *more]


def check_conversation(options: Performance) -> None:
    """Raise ``InputError`` where options of several speakers say nothing, or others mean nothing beside them."""
    if options.speakers is None:
        if options.others:
            raise InputError("several faces need --speakers: auto, how many there are, channels or an .rttm file")
        return
    from sedtalker.checkpoint import read_config
    from sedtalker.speakers.separation import check_speakers
    from sedtalker.speakers.turns import Turns

    for name in ("transcript", "words", "emotion", "enroll"):
        if getattr(options, name) != getattr(Performance, name):
            raise InputError(f"--{name} is about one speaker: leave it out with --speakers")
    check_speakers(options.speakers)
    if is_file(Path(options.speakers)):
        Turns.load(options.speakers)
    decoder, _ = decoder_choice(options.decoder, options.encoder)
    if read_config(model_folder("decoder", decoder)).kind == "vertex_decoder":
        raise InputError("--speakers needs a decoder of shapes; this one moves the vertices of one topology")
    for one in cast_of(options):
        check_face(one)


def open_diarizer(model: str | None, encoder: str | None, trust: float, device: str) -> Diarizer:
    """The diarizer that ``--model`` and ``--encoder`` name.

    While networks are opened the interpreter has nothing to do: scipy, which comes next, is imported in another thread.
    """
    Thread(target=import_module, args=("scipy.ndimage",), daemon=True).start()
    from sedtalker.emotion.diarizer import Diarizer

    name, weights = diarizer_choice(model, encoder)
    return Diarizer.from_pretrained(name, device, encoder=weights, trust=trust)


def open_animator(options: Performance, is_given: bool, device: str) -> Animator:
    """The animator that options name; its diarizer is not opened where the emotion is given.

    Without ``--decoder``, ``--encoder whisper-base`` moves the mouth too.
    """
    from sedtalker.animation.animator import Animator

    diarizer = "diarizer" if is_given else open_diarizer(options.model, options.encoder, options.trust, device)
    name, weights = decoder_choice(options.decoder, options.encoder)
    return Animator.from_pretrained(name, diarizer=diarizer, encoder=weights, device=device)


def coordinates_of(options: Performance) -> Mapping[str, tuple[float, float]] | None:
    """Valence and arousal of each emotion, where options name them; ``InputError`` where they cannot be read."""
    if options.coordinates is None:
        return None
    from sedtalker.emotion.taxonomy import read_coordinates

    return read_coordinates(options.coordinates)
