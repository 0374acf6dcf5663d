"""The nouns of ``import sedtalker``, and what they do together."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import sedtalker
from sedtalker import (
    Animation,
    Animator,
    Audio,
    Diarizer,
    EmotionTrack,
    Face,
    InputError,
    StreamSettings,
)
from sedtalker.animation.decoder import DecoderConfig
from sedtalker.animation.vertex_decoder import VertexDecoder, VertexDecoderConfig, emotion_words
from sedtalker.checkpoint import CheckpointConfig, write_checkpoint
from sedtalker.emotion.taxonomy import read_coordinates
from sedtalker.emotion.track import CATEGORIES
from sedtalker.face.arkit import ARKIT_52
from sedtalker.mesh.mesh import Mesh
from tests.support.cube import cube_mesh

SAMPLE = Path(__file__).parents[1] / "data" / "samples" / "four_moods.wav"
STILL = {"blinks": False, "gaze": False, "head": False, "liveliness": 0.0}
GAINS = {"expressivity": 1.5, "articulation": 1.2, "gain": {"brows": 1.5}, "style": "articulation=0.3"}


@pytest.fixture(scope="module")
def sound() -> Audio:
    from sedtalker.audio import from_samples

    samples, rate = soundfile.read(SAMPLE, dtype="float32")
    return from_samples(samples[3 * rate : 5 * rate], rate)


@pytest.fixture(scope="module")
def animator() -> Animator:
    return Animator.from_pretrained()


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import sys, sedtalker; print([m for m in ('numpy', 'torch', 'scipy') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


@pytest.mark.parametrize("noun", sorted(set(sedtalker.__all__)))
def test_every_noun_is_there(noun: str) -> None:
    assert getattr(sedtalker, noun) is not None


def test_what_is_no_noun_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Animater"):
        sedtalker.Animater  # noqa: B018


def test_a_track_drives_a_face_and_everything_is_saved(animator: Animator, sound: Audio, tmp_path: Path) -> None:
    steps: list[tuple[str, int, int]] = []
    track = Diarizer.from_pretrained()(sound)
    animation = animator(sound, face=Face.builtin("amara"), emotion=track, hook=lambda *step: steps.append(step))
    assert len(animation) == 60
    assert animation.track is not None
    assert {name for name, done, total in steps if done == total} == {
        "encoding the speech",
        "reading the emotion track",
        "moving the face",
    }
    animation.save(tmp_path / "a.npz")
    again = Animation.load(tmp_path / "a.npz")
    assert np.array_equal(again.coefficients, animation.coefficients)
    animation.export(tmp_path / "a.glb")
    assert (tmp_path / "a.glb").stat().st_size > 10_000
    track.save(tmp_path / "a.rttm")
    track.save(tmp_path / "a.json")
    assert np.array_equal(EmotionTrack.load(tmp_path / "a.json").posterior, track.posterior)
    track.plot(tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_a_path_samples_and_audio_are_one_recording(animator: Animator, sound: Audio, tmp_path: Path) -> None:
    path = tmp_path / "clip.wav"
    soundfile.write(path, sound.samples, sound.rate, subtype="FLOAT")
    made = [animator(given, rate, emotion="sad:0.5") for given, rate in ((path, None), (sound.samples, 16_000))]
    made.append(animator(sound, emotion="sad:0.5"))
    assert all(np.array_equal(made[0].coefficients, other.coefficients) for other in made[1:])


def test_the_diarizer_is_asked_once_and_only_where_it_is_needed(sound: Audio) -> None:
    animator = Animator.from_pretrained(diarizer="no such folder")
    animator(sound, emotion="happy:0.5")
    with pytest.raises(InputError, match="no such folder"):
        animator(sound)


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("nonsense", {}, "no such checkpoint folder"),
        ("decoder", {"emotion": "hapy:0.8"}, "happy"),
        ("decoder", {"emotion": "happy", "enroll": [SAMPLE]}, "enroll"),
    ],
)
def test_bad_input_is_one_line(name: str, options: dict[str, object], reason: str, sound: Audio) -> None:
    with pytest.raises(InputError, match=reason) as raised:
        Animator.from_pretrained(name)(sound, **options)  # type: ignore[arg-type]
    assert "\n" not in str(raised.value)


def test_samples_without_a_rate_are_refused(animator: Animator, sound: Audio) -> None:
    with pytest.raises(InputError, match="rate"):
        animator(sound.samples)


@pytest.fixture(scope="module")
def lively() -> Diarizer:
    """The built-in diarizer on a scale of faces on which the calm sample shows something."""
    diarizer = Diarizer.from_pretrained()
    diarizer.rule = replace(diarizer.rule, visible=(0.0, 0.07, 0.1))
    return diarizer


def test_doubtful_segments_leave_the_face_neutral(lively: Diarizer, sound: Audio) -> None:
    animator = Animator.from_pretrained(diarizer=lively)
    plain, doubted = animator(sound, min_confidence=0.0), animator(sound, min_confidence=1.0)
    neutral = animator(sound, emotion="neutral:0", **STILL)
    doubted_still = animator(sound, min_confidence=1.0, **STILL)
    assert not np.array_equal(plain.coefficients, doubted.coefficients)
    assert np.allclose(doubted_still.coefficients, neutral.coefficients, atol=1e-5)
    assert doubted.track is not None
    assert {s.label for s in doubted.track.segments()} == {"uncertain"}


def test_other_coordinates_change_the_plane_and_nothing_else(
    animator: Animator, lively: Diarizer, sound: Audio
) -> None:
    track = lively(sound)
    plain = animator(sound, emotion=track, intensity=0.5)
    other = animator(sound, emotion=track, intensity=0.5, coordinates=read_coordinates("dietrich2026"))
    assert plain.track is not None
    assert other.track is not None
    assert np.array_equal(plain.coefficients, other.coefficients)
    assert not np.array_equal(plain.track.valence, other.track.valence)
    same = animator(sound, emotion=track, intensity=0.5, coordinates=read_coordinates("russell1977"))
    assert same.track is not None
    assert np.allclose(same.track.valence, plain.track.valence, atol=1e-6)


def test_a_recording_unlike_anything_trained_on_is_said_so(
    animator: Animator, sound: Audio, caplog: pytest.LogCaptureFixture
) -> None:
    t = np.arange(32_000) / 16_000
    alarm = Audio((0.5 * np.sign(np.sin(2 * np.pi * 2500 * t)) * (t % 0.5 < 0.3)).astype(np.float32), 16_000)
    animator(sound)
    assert "unlike anything" not in caplog.text
    animator(alarm, emotion="happy")
    assert "unlike anything" not in caplog.text, "nothing is recognised"
    animator(alarm)
    assert caplog.text.count("unlike anything the diarizer was trained on") == 1


def test_another_device_keeps_encoder_trust_and_weights() -> None:
    diarizer = Diarizer.from_pretrained(trust=0.25)
    diarizer.device = "elsewhere"
    moved = diarizer.to("cpu")
    assert moved is not diarizer
    assert (moved.device, moved.rule.trust, moved.licence) == ("cpu", 0.25, diarizer.licence)
    assert moved.encoder.sha256() == diarizer.encoder.sha256()
    assert all(
        torch.equal(a, b) for a, b in zip(moved.network.parameters(), diarizer.in_torch().parameters(), strict=True)
    )
    assert moved.to("cpu") is moved


# --- Streams.


def test_a_given_emotion_needs_no_diarizer(sound: Audio) -> None:
    animator = Animator.from_pretrained(diarizer="no such folder")
    pieces = [sound.samples]
    frames = list(animator.stream(pieces, StreamSettings(emotion="sad:0.4", fps=30.0)))
    assert {(f.emotion, round(f.intensity, 3)) for f in frames[1:]} == {("sad", 0.4)}
    whole = list(animator.stream(sound.samples, StreamSettings(emotion="sad:0.4", fps=30.0)))
    assert len(whole) == len(frames)
    assert all(np.array_equal(a.weights, b.weights) for a, b in zip(whole, frames, strict=True))
    with pytest.raises(InputError, match="no such folder"):
        next(animator.stream(pieces))


def _streamed(settings: StreamSettings, sound: Audio, piece: int) -> tuple[np.ndarray, list[str]]:
    pieces = (sound.samples[i : i + piece] for i in range(0, len(sound.samples), piece))
    frames = list(Animator.from_pretrained().stream(pieces, settings))
    assert [f.time for f in frames] == pytest.approx([i / settings.fps for i in range(len(frames))], abs=1e-4)
    return np.stack([np.concatenate([f.weights, f.head]) for f in frames]), [f.emotion for f in frames]


def test_a_stream_takes_emotion_gains_and_head_motion_however_it_is_cut(sound: Audio) -> None:
    settings = StreamSettings(emotion="happy:0.9", fps=30.0, **GAINS)
    whole, emotions = _streamed(settings, sound, len(sound.samples))
    cut, _ = _streamed(settings, sound, 1234)
    assert np.array_equal(whole, cut)
    assert set(emotions) == {"happy"}
    assert np.abs(whole[:, 52:]).max() > 0.001
    still, _ = _streamed(StreamSettings(emotion="happy:0.9", fps=30.0, head=False), sound, 9999)
    assert not still[:, 52:].any()
    smile = ARKIT_52.index("mouthSmileLeft")
    assert whole[30:, smile].mean() > 1.05 * still[30 : len(whole), smile].mean()


# --- A decoder of vertices, as a corpus of meshes trains it, is one more decoder.


def _vertex_decoder(folder: Path) -> Path:
    torch.manual_seed(0)
    blocks = DecoderConfig(width=32, condition=16, layout="MA", heads=2)
    config = VertexDecoderConfig(blocks=blocks, coefficients=4, vertices=8, labels=("Smile2", "Sad1"))
    described = CheckpointConfig(
        kind="vertex_decoder", licence="CC-BY-4.0", trained_on=["none"], model=config.model_dump(mode="json")
    )
    write_checkpoint(folder, described, VertexDecoder(config).state_dict(), "# Random weights\n")
    return folder


def test_a_decoder_of_vertices_animates_its_own_topology(sound: Audio, tmp_path: Path) -> None:
    animator = Animator.from_pretrained(_vertex_decoder(tmp_path / "decoder"))
    animation = animator(sound, face=cube_mesh(), emotion="happy:1")
    assert len(animation) == 60
    moved = animation.vertices()
    assert moved.shape == (60, 8, 3)
    assert np.ptp(moved, axis=0).max() > 1e-5
    animation.export(tmp_path / "cube.glb")
    animation.export(tmp_path / "cube.mdd")
    with pytest.raises(InputError, match="topology"):
        animator(sound, emotion="happy:1")
    with pytest.raises(InputError, match="vertices"):
        animator(sound, face=Face.builtin(), emotion="happy:1")


def test_categories_become_the_words_of_a_corpus() -> None:
    posterior = np.eye(7, dtype=np.float32)[[CATEGORIES.index(c) for c in ("happy", "neutral", "sad", "fear")]]
    words, strength = emotion_words(("Smile2", "Pleased", "Sad1"), posterior, np.full(4, 0.8, np.float32))
    assert words[0] == pytest.approx([0.5, 0.5, 0.0])
    assert words[2] == pytest.approx([0.0, 0.0, 1.0])
    assert strength == pytest.approx([0.8, 0.0, 0.8, 0.0])


def test_the_command_line_takes_it_too(sound: Audio, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from sedtalker.cli.main import app

    mesh: Mesh = cube_mesh()
    mesh.save(tmp_path / "cube.obj")
    soundfile.write(tmp_path / "clip.wav", sound.samples, sound.rate)
    decoder = _vertex_decoder(tmp_path / "decoder")
    words = ["animate", tmp_path / "clip.wav", "--mesh", tmp_path / "cube.obj", "--decoder", decoder, "--no-video"]
    words += ["--emotion", "happy", "-o", tmp_path / "out", "--save-preset", tmp_path / "p.json", "--json"]
    done = CliRunner().invoke(app, [str(w) for w in words])
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["frames"] == 60
    again = ["animate", tmp_path / "clip.wav", "--preset", tmp_path / "p.json", "-o", tmp_path / "again"]
    done = CliRunner().invoke(app, [str(w) for w in again])
    assert done.exit_code == 0, done.stderr
    assert (tmp_path / "again/clip.npz").read_bytes() == (tmp_path / "out/clip.npz").read_bytes()
    done = CliRunner().invoke(app, ["animate", str(tmp_path / "clip.wav"), "--preset", str(tmp_path / "clip.wav")])
    assert done.exit_code == 2
