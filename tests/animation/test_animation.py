import json
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sedtalker.animation.animation import Animation
from sedtalker.emotion.formats.json import track_to_json
from sedtalker.emotion.track import CATEGORIES, Burst, EmotionTrack, Prediction
from sedtalker.errors import InputError
from tests.support.cube import cube_face
from tests.support.moving import moving_cube


def small_track(frames: int) -> EmotionTrack:
    posterior = np.zeros((frames, 7), np.float32)
    posterior[:, 1] = 1.0
    half = np.full(frames, 0.5, np.float32)
    return EmotionTrack(np.arange(frames) / 30, posterior, half, half, half, CATEGORIES, frames / 30)


def small_animation(frames: int = 100) -> Animation:
    rng = np.random.default_rng(1)
    coefficients = rng.uniform(size=(frames, 2)).astype(np.float32)
    head = rng.normal(0, 0.1, (frames, 3)).astype(np.float32)
    return Animation(coefficients, 30.0, cube_face(), head, small_track(frames), {"seed": 1, "audio_sha256": "ü"})


def test_chunks_make_the_same_frames() -> None:
    animation = small_animation()
    with pytest.raises(FrozenInstanceError):
        animation.fps = 24.0  # type: ignore[misc]
    whole = animation.vertices()
    np.testing.assert_array_equal(np.stack(list(animation.frames(chunk=7))), whole)
    assert animation.vertices(7, 7).shape == (0, *whole.shape[1:])


@pytest.mark.parametrize("fps", [0.0, -30.0, float("nan"), 1e9])
def test_frames_come_at_a_rate(fps: float) -> None:
    with pytest.raises(InputError, match=r"frames a second: give 0\.1 to 10000"):
        small_animation(4).resampled(fps)


def test_the_head_turns_about_the_pivot_and_keeps_its_size() -> None:
    animation = small_animation(4)
    still = animation.face.deform(animation.coefficients)
    pivot = animation.face.pivot
    radius = np.linalg.norm(still - pivot, axis=-1)
    np.testing.assert_allclose(np.linalg.norm(animation.vertices() - pivot, axis=-1), radius, rtol=1e-5)


def test_positive_pitch_looks_down() -> None:
    animation = small_animation(1)
    nod = Animation(np.zeros((1, 2), np.float32), 30.0, animation.face, np.array([[0.3, 0, 0]], np.float32))
    nose = animation.face.mesh.vertices[1]  # (-1, -1, 1): on the front
    assert nod.vertices()[0, 1, 1] < nose[1]


def test_a_file_gives_back_everything(tmp_path: Path) -> None:
    animation = small_animation()
    animation.save(tmp_path / "a.npz")
    again = Animation.load(tmp_path / "a.npz")
    np.testing.assert_array_equal(again.coefficients, animation.coefficients)
    np.testing.assert_array_equal(again.vertices(), animation.vertices())
    np.testing.assert_array_equal(again.face.mesh.polygon_vertices, animation.face.mesh.polygon_vertices)
    np.testing.assert_array_equal(again.face.mesh.polygon_uvs, animation.face.mesh.polygon_uvs)
    assert again.face.mesh.group_names == ("skin", "eyes")
    assert again.face.correctives == animation.face.correctives
    assert list(again.face.regions) == ["lips", "skin"]
    assert again.provenance == animation.provenance
    assert again.track is not None
    np.testing.assert_array_equal(again.track.posterior, animation.track.posterior)
    assert again.track.labels == CATEGORIES


def test_a_file_gives_back_all_of_the_track(tmp_path: Path) -> None:
    """Bursts, curves, the prediction and the least confidence too, so that an export of the file loses nothing."""
    rng = np.random.default_rng(2)
    extras = {"awe": rng.random(100, np.float32), "pride": rng.random(100, np.float32)}
    bursts = (Burst(0.1, 0.5, "laugh", 0.75), Burst(1.0, 1.2, "sigh", 0.5))
    track = replace(small_track(100), bursts=bursts, extras=extras, min_confidence=0.4, speech=np.arange(100) > 9)
    flat = Prediction(np.full((100, 7), 1 / 7, np.float32), rng.random(100, np.float32))
    track = replace(track, predicted=flat)
    replace(small_animation(), track=track).save(tmp_path / "a.npz")
    again = Animation.load(tmp_path / "a.npz").track
    assert again is not None
    assert (again.bursts, again.min_confidence, list(again.extras)) == (bursts, 0.4, ["awe", "pride"])
    for name, curve in extras.items():
        np.testing.assert_array_equal(again.extras[name], curve)
    assert track_to_json(again) == track_to_json(track)
    assert again.segments() == track.segments()
    assert again.segments()[0].confidence < 0.2, "the prediction's, not that of what is shown"


def test_files_of_the_first_version_are_read(tmp_path: Path) -> None:
    animation = small_animation()
    animation.save(tmp_path / "a.npz")
    arrays = dict(np.load(tmp_path / "a.npz"))
    described = json.loads(str(arrays["animation_json"]))
    described = {name: value for name, value in described.items() if name not in ("bursts", "min_confidence")}
    arrays["animation_json"] = np.array(json.dumps({**described, "version": 1}))
    np.savez(tmp_path / "old.npz", **arrays)
    again = Animation.load(tmp_path / "old.npz")
    np.testing.assert_array_equal(again.coefficients, animation.coefficients)
    assert again.track is not None
    assert (again.track.bursts, again.track.extras, again.track.min_confidence) == ((), {}, 0.0)


def test_the_same_animation_is_the_same_bytes(tmp_path: Path) -> None:
    small_animation().save(tmp_path / "a.npz")
    small_animation().save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_the_order_of_provenance_does_not_matter(tmp_path: Path) -> None:
    said = {"b": 1, "a": "ü", "c": None}
    for name, order in (("a.npz", "abc"), ("b.npz", "cba")):
        replace(moving_cube(), provenance={key: said[key] for key in order}).save(tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"PK no")
    np.savez(tmp_path / "b.npz", x=np.zeros(3))
    for name, complaint in (("a.npz", "not a SED"), ("b.npz", "not a SED"), ("c.npz", "no such file")):
        with pytest.raises(InputError, match=complaint):
            Animation.load(tmp_path / name)


@pytest.mark.parametrize(
    "change",
    [
        {"coefficients": np.full((12, 2), np.nan, np.float32)},
        {"coefficients": np.zeros((12, 3), np.float32)},
        {"head_rotation": np.zeros((5, 3), np.float32)},
        {"face_polygon_vertices": np.full(24, 10**6, np.int32)},
        {"face_polygon_sizes": np.full(6, -4, np.int32)},
        {"face_landmarks": np.full(68, -1, np.int32)},
        {"face_basis": np.zeros((1, 8, 3), np.float32)},
        {"track_posterior": np.zeros((12, 3), np.float32)},
        {"track_times": np.full(20, 0.8)},
        {"fps": 0.0},
        {"fps": "30"},
        {"fps": float("nan")},
        {"provenance": []},
        {"labels": ["happy"]},
        {"duration": -1},
        {"duration": float("inf")},
        {"version": 3},
        {"min_confidence": 2},
        {"bursts": [{"start": 1.0, "end": 0.5, "kind": "laugh", "confidence": 0.5}]},
        {"bursts": [{"start": 0.0, "end": 0.5, "kind": "hiccup", "confidence": 0.5}]},
        {"track_extras": np.zeros((30, 1), np.float32)},
    ],
    ids=lambda change: "-".join(change),
)
def test_wrong_contents_are_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    moving_cube().save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as stored:
        arrays = dict(stored)
    described = json.loads(str(arrays["animation_json"]))
    described |= {name: value for name, value in change.items() if name in described}
    arrays |= {name: value for name, value in change.items() if name not in described}
    np.savez(tmp_path / "b.npz", **{**arrays, "animation_json": np.array(json.dumps(described))})
    with pytest.raises(InputError, match=r"b\.npz: [^\n]+$"):
        Animation.load(tmp_path / "b.npz")
