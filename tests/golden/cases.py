"""The commands whose outputs are hashed: three short clips, three faces, and the options that change bytes."""

from __future__ import annotations

import shutil
import wave
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sedtalker.emotion.track import CATEGORIES, Burst, EmotionTrack

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "data" / "samples"
CLIPS = {"calm.wav": (2.2, 1.4), "happy.wav": (5.5, 1.4), "angry.wav": (12.3, 1.4)}
"""Start and length of each clip in the sample, seconds."""
WORDS = "We are going home now"
"""A transcript; what the clip says does not matter here."""


@dataclass(frozen=True)
class Case:
    """One command, or one call, and what is hashed of it.

    Attributes:
        name: of the case, and of the folder its files are written to.
        command: words of the command line; ``{out}`` is that folder. Without files, standard output is hashed.
        call: in place of a command, a function of the folder.
        diarized: whether the outputs depend on what the diarizer finds.
    """

    name: str
    command: tuple[str, ...] = ()
    call: Callable[[Path], None] | None = None
    diarized: bool = False


def prepare(folder: Path) -> None:
    """Write the clips, the tracks and the sample head that the commands read."""
    with wave.open(str(SAMPLES / "four_moods.wav")) as sound:
        rate = sound.getframerate()
        samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2")
    for name, (start, length) in CLIPS.items():
        with wave.open(str(folder / name), "wb") as clip:
            clip.setnchannels(1)
            clip.setsampwidth(2)
            clip.setframerate(rate)
            clip.writeframes(samples[int(start * rate) : int((start + length) * rate)].tobytes())
    shutil.copy(SAMPLES / "head.obj", folder / "head.obj")
    spans = (
        '[{"start": 0.0, "end": 0.6, "label": "happy", "intensity": 0.9}, {"start": 0.7, "end": 1.3, "label": "sad"}]'
    )
    (folder / "spans.emotion.json").write_text(spans, encoding="utf-8")
    given_track(1.4).save(folder / "full.emotion.json")


def given_track(duration: float) -> EmotionTrack:
    """A dense track with everything that a track can hold: doubt, pauses, a burst and a further curve."""
    times = (np.arange(round(duration * 50)) + 0.5) / 50
    posterior = np.full((len(times), len(CATEGORIES)), 0.05, np.float32)
    half = len(times) // 2
    posterior[:half, CATEGORIES.index("angry")] = 0.70
    posterior[half:, CATEGORIES.index("surprise")] = 0.70
    swing = np.sin(5 * times)
    return EmotionTrack(
        times,
        posterior,
        (0.6 + 0.3 * swing).astype(np.float32),
        (-0.4 * swing).astype(np.float32),
        (0.3 + 0.2 * swing).astype(np.float32),
        CATEGORIES,
        duration,
        speech=times > 0.1,
        min_confidence=0.3,
        bursts=(Burst(0.9, 1.3, "laugh", 0.8),),
        extras={"awe": (0.5 + 0.4 * swing).astype(np.float32)},
    )


def track_files(out: Path) -> None:
    """A given track in every format of tracks."""
    from sedtalker.emotion.formats.files import track_formats

    track = EmotionTrack.load(Path("full.emotion.json"))
    for suffix in track_formats():
        track.save(out / f"track{suffix}")


def studio_files(out: Path) -> None:
    """What the studio exports after a few edits."""
    from sedtalker.animation.animator import Models
    from sedtalker.face import Face
    from sedtalker.progress import no_progress
    from sedtalker.studio.exports import export_files, parse_request
    from sedtalker.studio.project import write_project
    from sedtalker.studio.session import Session, Subject
    from sedtalker.studio.sound import analyse

    models, clip = Models(), Path("happy.wav").absolute()
    track = EmotionTrack.load(Path("spans.emotion.json"), 1.4)
    session = Session(models, Subject(Face.builtin(), "builtin"))
    sound = out / "sound"
    sound.mkdir()
    session.open_clip(analyse(models.animator(), clip, sound, no_progress, track))
    session.edit({"op": "split", "t": 0.4})
    session.edit({"op": "relabel", "index": 0, "label": "angry"})
    session.edit({"op": "set_intensity", "points": [[0.1, 0.2], [0.5, 0.9], [1.2, 0.4]]})
    settings = {"expressivity": 1.2, "gain": {"brows": 1.5, "jawOpen": 1.25}, "seed": 4, "fps": 25}
    session.edit({"op": "settings", "style": "clear", "gaze": False, "intensity": 1.3, **settings})
    asked = parse_request({"formats": ["glb", "npz", "arkit", "fbx", "track.json", "track.rttm"]})
    export_files(asked, models, session.snapshot(), out / "files", no_progress)
    np.save(out / "weights.npy", session.weight_rows(0.0, 1.4)[1])
    write_project(out / "edited.sedproject", session.snapshot().project)
    shutil.rmtree(sound)


def animated(name: str, clip: str, emotion: str, *options: str) -> Case:
    """``sedtalker animate`` with a given emotion and without a video."""
    return Case(name, ("animate", clip, "--emotion", emotion, "--no-video", "-q", "-o", "{out}", *options))


def streamed(name: str, clip: str, emotion: str, *options: str) -> Case:
    """``sedtalker stream`` with a given emotion."""
    return Case(name, ("stream", clip, "--emotion", emotion, "--fps", "30", *options))


def exported(name: str, of: str, to: str, *options: str) -> Case:
    """``sedtalker export`` of what an earlier case wrote."""
    return Case(name, ("export", f"out/{of}", "--to", to, "-q", "-o", "{out}", *options))


FULL, SPANS = "full.emotion.json", "spans.emotion.json"
GIVEN = (
    # Clips and faces.
    animated("animate-calm", "calm.wav", "neutral", "--to", "arkit,usda,keys,mdd"),
    animated("animate-happy", "happy.wav", "happy", "--to", "fbx,pc2,npy,usd"),
    animated("animate-angry", "angry.wav", "angry:0.7", "--to", "arkit"),
    animated("animate-spans", "happy.wav", SPANS),
    animated("animate-full", "angry.wav", FULL, "--to", "arkit,keys"),
    animated("animate-amara", "happy.wav", FULL, "--face", "amara", "--to", "fbx,arkit"),
    animated("animate-random", "calm.wav", "sad", "--face", "random-7", "--fps", "15"),
    Case("register-head", ("mesh", "register", "head.obj", "-o", "{out}/head.sedface")),
    animated("animate-head", "happy.wav", FULL, "--mesh", "out/register-head/head.sedface", "--to", "fbx,usda,mdd"),
    animated("animate-head-obj", "calm.wav", "fear", "--mesh", "head.obj", "--fps", "15"),
    # Options.
    animated("intensity", "happy.wav", "happy", "--intensity", "1.6", "--fps", "15"),
    animated("expressivity", "angry.wav", "angry", "--expressivity", "1.4", "--fps", "15"),
    animated("articulation", "angry.wav", "angry", "--articulation", "0.7", "--fps", "15"),
    animated("gain", "happy.wav", FULL, "--gain", "brows=1.5", "--gain", "jawOpen=1.3", "--gain", "smile=0.5"),
    animated("style-clear", "calm.wav", "neutral", "--style", "clear", "--fps", "15"),
    animated("style-numbers", "calm.wav", "sad", "--style", "dynamics=0.5,crispness=1", "--fps", "15"),
    animated("transcript", "calm.wav", "happy", "--transcript", WORDS, "--visemes", "{out}/visemes.tsv"),
    animated("fps", "happy.wav", "surprise", "--fps", "60"),
    animated("seed", "happy.wav", "disgust", "--seed", "3", "--fps", "15"),
    animated("still", "calm.wav", "neutral", "--no-blinks", "--no-gaze", "--no-head", "--fps", "15"),
    animated("liveliness", "angry.wav", "angry", "--liveliness", "0", "--eye-contact", "1", "--fps", "15"),
    animated("min-confidence", "angry.wav", FULL, "--min-confidence", "0.8", "--fps", "15"),
    animated("coordinates", "happy.wav", SPANS, "--coordinates", "dietrich2026", "--fps", "15"),
    animated("decoder", "happy.wav", FULL, "--decoder", str(ROOT / "checkpoints" / "decoder"), "--fps", "15"),
    animated("targets-few", "happy.wav", FULL, "--targets", "few", "--fps", "15"),
    animated("targets-all", "happy.wav", FULL, "--targets", "all", "--fps", "15"),
    # Pictures.
    Case("video", ("animate", "happy.wav", "--emotion", "happy", "-q", "-o", "{out}", "--size", "64", "--fps", "10")),
    Case("render-png", ("render", "out/animate-amara", "-q", "-o", "{out}/a.png", "--size", "96", "--light", "soft")),
    Case("render-gif", ("render", "out/animate-random", "-q", "-o", "{out}/a.gif", "--size", "64")),
    Case("render-head", ("render", "out/animate-head", "-q", "-o", "{out}/a.png", "--size", "96", "--camera", "left")),
    Case("face-show", ("face", "show", "amara", "-o", "{out}/a.png", "--shape", "jawOpen:0.6", "--size", "96")),
    # Exports of a finished animation.
    exported("export-formats", "animate-calm", "glb,usd,mdd,pc2,arkit,fbx,keys,npy,npz,usda"),
    exported("export-few", "animate-happy", "glb,fbx,usda", "--targets", "few"),
    exported("export-arkit", "animate-happy", "glb,fbx,usda", "--targets", "arkit"),
    exported("export-all", "animate-happy", "glb,fbx,usda", "--targets", "all"),
    exported("export-points", "animate-random", "usd,mdd", "--points", "--metres"),
    exported("export-fps", "animate-amara", "npz,arkit,glb", "--fps", "24"),
    exported("export-head", "animate-head", "glb,fbx,mdd"),
    Case(
        "performance",
        (
            *("animate", "--performance", "out/animate-full/angry.arkit.csv", "--no-video", "-q", "-o", "{out}"),
            *("--gain", "jawOpen=1.2", "--to", "arkit"),
        ),
    ),
    Case("style", ("style", "out/animate-full/angry.arkit.csv", "angry.wav", "-o", "{out}/a.style.json")),
    Case("visemes", ("visemes", "calm.wav", "-o", "{out}/visemes.json")),
    Case("track-files", call=track_files),
    Case("studio", call=studio_files),
    animated("project", "happy.wav", FULL, "--project", "out/studio/edited.sedproject"),
    # Streams.
    streamed("stream-happy", "happy.wav", "happy"),
    streamed("stream-full", "angry.wav", FULL, "--seed", "2"),
    streamed("stream-look-ahead", "calm.wav", "sad:0.5", "--look-ahead", "0.5", "--hop", "0.2"),
    streamed(
        "stream-gains", "angry.wav", "angry", "--articulation", "0.8", "--gain", "brows=1.5", "--gain", "jawOpen=1.2"
    ),
    streamed("stream-style", "happy.wav", FULL, "--style", "mumbled", "--intensity", "1.3", "--expressivity", "0.8"),
    streamed("stream-still", "calm.wav", "neutral", "--no-blinks", "--no-gaze", "--no-head"),
)
"""Commands with a given emotion."""
DIARIZED = tuple(
    Case(name, tuple(command), diarized=True)
    for name, *command in (
        ("diarize-calm", "diarize", "calm.wav", "--json"),
        ("diarize-happy", "diarize", "happy.wav", "--json", "--trust", "0"),
        ("diarize-angry", "diarize", "angry.wav", "-o", "{out}/a.emotion.json", "--plot", "{out}/a.png"),
        ("diarize-fine", "diarize", "happy.wav", "--fine", "-o", "{out}/a.emotion.json"),
        ("diarize-enroll", "diarize", "happy.wav", "--enroll", "calm.wav", "--rttm"),
        ("diarize-doubt", "diarize", "angry.wav", "--min-confidence", "0.7", "-o", "{out}/a.TextGrid"),
        ("diarize-events", "diarize", "angry.wav", "--events", "--json"),
        ("diarize-stream", "diarize", "happy.wav", "--stream", "--json"),
        ("diarize-stream-table", "diarize", "angry.wav", "--stream", "--look-ahead", "0.2"),
        ("found-calm", "animate", "calm.wav", "--no-video", "-q", "-o", "{out}", "--to", "arkit"),
        ("found-happy", "animate", "happy.wav", "--no-video", "-q", "-o", "{out}", "--face", "amara", "--fps", "15"),
        ("found-enroll", "animate", "angry.wav", "--no-video", "-q", "-o", "{out}", "--enroll", "calm.wav"),
        ("found-stream", "stream", "angry.wav", "--fps", "30"),
        ("found-stream-enroll", "stream", "happy.wav", "--fps", "30", "--enroll", "calm.wav"),
    )
)
"""Commands whose emotion the diarizer finds."""
CASES = (*GIVEN, *DIARIZED)
"""All of them, in an order in which each finds the files of earlier ones."""
