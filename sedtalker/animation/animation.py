"""An animation: a few coefficients a frame on a face, with the track that coloured it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sedtalker.arrays import Floats
from sedtalker.audio import FrameClock, resample_frames
from sedtalker.emotion.track import BURST_KINDS, Burst, EmotionTrack, Prediction
from sedtalker.errors import InputError
from sedtalker.face.face import Face, head_weights, turn_head
from sedtalker.face.sedface import FACE_ARRAYS, face_arrays, face_from_arrays
from sedtalker.phonetics.aligner import Alignment
from sedtalker.plugins import plugin
from sedtalker.storage import UNREADABLE, ArraySpec, read_arrays, write_arrays

FORMAT_VERSION = 2
"""The version of the ``.npz`` file that is written; version 1 had no bursts, prediction, further curves or
least confidence."""
READ_VERSIONS = (1, FORMAT_VERSION)
"""Those that are read."""
TRACK_COLUMNS = ("times", "posterior", "intensity", "valence", "arousal")
"""The arrays of the emotion track, each stored as ``track_…``."""
SLOWEST, FASTEST = 0.1, 10_000.0
"""Frames a second that a file may claim, and that motion is brought to."""
ANIMATION_ARRAYS = {
    "coefficients": ArraySpec("f", ("T", "S")),
    "head_rotation": ArraySpec("f", ("T", 3)),
    "track_times": ArraySpec("f", ("N",), optional=True),
    "track_posterior": ArraySpec("f", ("N", "labels"), least=-1e-3, most=1.001, optional=True),
    "track_intensity": ArraySpec("f", ("N",), optional=True),
    "track_valence": ArraySpec("f", ("N",), optional=True),
    "track_arousal": ArraySpec("f", ("N",), optional=True),
    "track_speech": ArraySpec("b", ("N",), optional=True),
    "track_predicted_posterior": ArraySpec("f", ("N", "labels"), least=-1e-3, most=1.001, optional=True),
    "track_predicted_intensity": ArraySpec("f", ("N",), least=-1e-3, most=1.001, optional=True),
    "track_extras": ArraySpec("f", ("N", "extras"), least=-1e-3, most=1.001, optional=True),
    "animation_json": ArraySpec("U", ()),
}
"""Types and shapes of an animation's arrays, besides those of its face (S shapes); see ``read_arrays``."""


@dataclass(frozen=True, eq=False)
class Animation:
    """Motion of a face.

    Attributes:
        coefficients: (T, K) float32, one column a shape of ``face``.
        fps: frames a second; frame i is at ``i / fps`` seconds.
        head_rotation: (T, 3) float32 rotation vectors, radians, about ``face.pivot``; zeros for a still head. Shoulders
            stay where they are, see ``head_weights``.
        track: the emotion that conditioned the motion, or None.
        provenance: plain data: hash of the input, versions, seed.
        phones: when which phone is spoken, where words were given; files do not keep it.
    """

    coefficients: Floats
    fps: float
    face: Face
    head_rotation: Floats
    track: EmotionTrack | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    phones: Alignment | None = None

    def __len__(self) -> int:
        return len(self.coefficients)

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self) / self.fps

    @property
    def clock(self) -> FrameClock:
        return FrameClock(self.fps)

    def frames(self, chunk: int = 64, start: int = 0, stop: int | None = None) -> Iterator[Floats]:
        """Vertices (V, 3) of frames ``start`` to ``stop``, metres, head motion included; made ``chunk`` at a time."""
        end = len(self) if stop is None else stop
        for first in range(start, end, chunk):
            yield from self.vertices(first, min(first + chunk, end))

    def vertices(self, start: int = 0, stop: int | None = None) -> Floats:
        """Vertices (t, V, 3) of frames ``start`` to ``stop``, metres, head motion included."""
        from scipy.spatial.transform import Rotation

        stop = len(self) if stop is None else stop
        still = self.face.deform(self.coefficients[start:stop])
        turns = Rotation.from_rotvec(self.head_rotation[start:stop]).as_matrix()
        return turn_head(still, turns, self.face.pivot, head_weights(self.face))

    def save(self, path: str | Path) -> None:
        """Write one ``.npz`` that re-opens without audio, models or the mesh file; the same animation, the same bytes.

        Raises:
            InputError: it cannot be written there.
        """
        arrays = face_arrays(self.face)
        arrays["coefficients"] = self.coefficients
        arrays["head_rotation"] = self.head_rotation
        track = self.track
        described: dict[str, Any] = {
            "format": "sedtalker-animation",
            "version": FORMAT_VERSION,
            "fps": self.fps,
            "provenance": dict(self.provenance),
        }
        if track is not None:
            # The segments are for readers that do not decode the track, such as the Blender add-on; the frames decide.
            segments = [asdict(segment) for segment in track.segments()]
            described |= {"labels": list(track.labels), "duration": track.duration, "segments": segments}
            described |= {"bursts": [asdict(burst) for burst in track.bursts], "min_confidence": track.min_confidence}
            if track.extras:
                described["extras"] = list(track.extras)
                arrays["track_extras"] = np.stack([np.asarray(c, np.float32) for c in track.extras.values()], axis=1)
            for name, values in ({} if track.predicted is None else track.predicted._asdict()).items():
                arrays[f"track_predicted_{name}"] = values
            for name in (*TRACK_COLUMNS, *(["speech"] if track.speech is not None else [])):
                arrays[f"track_{name}"] = getattr(track, name)
        arrays["animation_json"] = np.array(json.dumps(described, ensure_ascii=False, sort_keys=True), dtype=np.str_)
        write_arrays(Path(path), arrays, 1)  # half of the time of level 6, which saves 2 % more

    @staticmethod
    def load(path: str | Path) -> Animation:
        """The animation in a file that ``save`` wrote.

        Raises:
            InputError: not such a file.
        """
        arrays = read_arrays(Path(path), FACE_ARRAYS | ANIMATION_ARRAYS, "a SEDTalker animation")
        try:
            described = json.loads(str(arrays["animation_json"]))
            json.dumps(described, allow_nan=False)  # as in ``face_from_arrays``
            if described["version"] not in READ_VERSIONS:
                raise InputError(f"{path}: animation format {described['version']} is not known to this version")
            fps, provenance = described["fps"], described["provenance"]
            if not isinstance(fps, int | float) or not SLOWEST <= fps <= FASTEST or not isinstance(provenance, dict):
                raise ValueError("frames a second or provenance")
            return Animation(
                coefficients=arrays["coefficients"],
                fps=fps,
                face=face_from_arrays(arrays),
                head_rotation=arrays["head_rotation"],
                track=_track(arrays, described),
                provenance=provenance,
            )
        except InputError:
            raise
        except UNREADABLE as error:
            raise InputError(f"{path}: not a SEDTalker animation ({type(error).__name__})") from None

    def export(self, path: str | Path, format: str | None = None, **options: Any) -> dict[str, Any]:
        """Write it for another program; the suffix chooses the format (glb, usd, fbx, mdd, pc2, npy …).

        Args:
            format: a name of ``sedtalker export --help``; default: by the suffix.
            options: ``audio``, and what the format takes, such as ``targets``; see ``sedtalker.export``.

        Returns:
            What there is to say about the result, as plain data.

        Raises:
            InputError: no format of that name, or it cannot be written.
        """
        written: dict[str, Any] = plugin("export").export(self, Path(path), format, **options)
        return written

    def render(self, path: str | Path, audio: Any = None, **options: Any) -> None:
        """Render a video with its sound, a GIF, or one picture.

        Args:
            path: the file: ``.mp4``, ``.mov``, ``.mkv``, ``.webm``, ``.gif`` or ``.png``.
            audio: path of the recording, or an ``Audio``; default: a silent video.
            options: ``size``, ``camera``, ``background``, ``light``, ``backend``, ``hook``, ``at``; see
                ``sedtalker.render.render_video``.

        Raises:
            InputError: it cannot be rendered or written.
        """
        plugin("render").render_video(self, Path(path), audio, **options)

    def resampled(self, fps: float) -> Animation:
        """The same motion at ``fps`` frames a second, linear between frames, as long to a frame.

        Raises:
            InputError: it is no rate.
        """
        if not SLOWEST <= fps <= FASTEST:
            raise InputError(f"{fps:g} frames a second: give {SLOWEST:g} to {FASTEST:g}")
        if fps == self.fps:
            return self
        times = FrameClock(fps).times(max(round(self.duration * fps), 1))
        own = self.clock.times(len(self))
        return replace(
            self,
            coefficients=resample_frames(self.coefficients, own, times),
            head_rotation=resample_frames(self.head_rotation, own, times),
            fps=fps,
            track=None if self.track is None else self.track.at(times),
        )


def _track(arrays: dict[str, NDArray[Any]], described: dict[str, Any]) -> EmotionTrack | None:
    if "track_times" not in arrays:
        return None
    columns: dict[str, Any] = {name: arrays[f"track_{name}"] for name in TRACK_COLUMNS}
    labels, duration = tuple(map(str, described["labels"])), float(described["duration"])
    if len(labels) != columns["posterior"].shape[1] or not 0.0 <= duration < np.inf:
        raise ValueError("labels or duration of the track")
    if not np.all(np.diff(columns["times"]) > 0.0):
        raise ValueError("times of the track that do not increase")
    bursts = tuple(_burst(**values) for values in described.get("bursts", ()))
    least, names = float(described.get("min_confidence", 0.0)), list(map(str, described.get("extras", ())))
    curves = arrays.get("track_extras", np.zeros((0, 0), np.float32)).T
    if len(names) != len(curves) or len(set(names)) != len(names) or not 0.0 <= least <= 1.0:
        raise ValueError("further curves or least confidence of the track")
    stored = [f"track_predicted_{name}" for name in Prediction._fields]
    predicted = [arrays[name] for name in stored if name in arrays]
    if len(predicted) not in (0, len(stored)):
        raise ValueError("one part of the prediction without the other")
    return EmotionTrack(
        **columns,
        predicted=Prediction(*predicted) if predicted else None,
        labels=labels,
        duration=duration,
        speech=arrays.get("track_speech"),
        min_confidence=least,
        bursts=bursts,
        extras=dict(zip(names, curves, strict=True)),
    )


def _burst(start: float, end: float, kind: str, confidence: float) -> Burst:
    """A vocal burst of a file."""
    if kind not in BURST_KINDS or not (0.0 <= start <= end < np.inf and 0.0 <= confidence <= 1.0):
        raise ValueError("a vocal burst of the track")
    return Burst(float(start), float(end), kind, float(confidence))
