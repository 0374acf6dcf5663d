"""What ``sedtalker animate`` says of the emotion that it found."""

from __future__ import annotations

import dataclasses
import io
import json
import logging
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from sedtalker.cli.animate import LIKELY, print_files, say_of
from sedtalker.cli.main import app
from sedtalker.cli.options import Run
from sedtalker.emotion.formats import constant_track
from sedtalker.emotion.track import Prediction
from sedtalker.storage import inputs_kept
from tests.support.clips import cut_sample
from tests.support.moving import moving_cube


@pytest.mark.parametrize(
    ("label", "confidence", "given", "doubted"),
    [("angry", LIKELY - 0.01, None, True), ("angry", LIKELY + 0.01, None, False)]
    + [("angry", LIKELY - 0.01, "angry:0.6", False), ("neutral", LIKELY - 0.01, None, False)],
)
def test_an_emotion_that_is_likelier_wrong_is_said_to_be(
    label: str, confidence: float, given: str | None, doubted: bool, caplog: pytest.LogCaptureFixture
) -> None:
    track = constant_track(f"{label}:0.6", 1.0)
    posterior = np.full((len(track), 7), (1 - confidence) / 6, np.float32)
    posterior[:, track.labels.index(label)] = confidence
    posterior[:, track.labels.index("happy")] = 0.2
    found = dataclasses.replace(track, predicted=Prediction(posterior, track.intensity))
    animation = dataclasses.replace(moving_cube(2), track=found, provenance={"licences": {"decoder": "CC-BY-4.0"}})
    with caplog.at_level(logging.INFO, "sedtalker"):
        say_of(animation, Path("a b.wav"), given)
        say_of(animation, Path("-b.wav"), given)
    assert ("more likely wrong than right: see it with sedtalker studio 'a b.wav'" in caplog.text) == doubted
    assert ("see it with sedtalker studio ./-b.wav" in caplog.text) == doubted
    calm = "the face stays calm: if the voice does not, name its emotion, such as --emotion happy"
    assert (calm in caplog.text) == (label == "neutral")
    assert "weights: CC-BY-4.0" in caplog.text


RTTM = "SPEAKER t 1 0.1 1.2 <NA> <NA> ann <NA> <NA>\nSPEAKER t 1 1.0 0.9 <NA> <NA> bo <NA> <NA>\n"
"""Two speakers, of whom one has a name that no file may have."""


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of sound, with ``talk.rttm`` beside it."""
    sound = cut_sample(tmp_path_factory.mktemp("talk") / "talk.wav", 1.0, 3.0)
    sound.with_suffix(".rttm").write_text(RTTM)
    return sound


@pytest.mark.slow
def test_a_conversation_is_a_scene_and_files_of_each_speaker(talk: Path, tmp_path: Path) -> None:
    words = ["animate", talk, "--speakers", talk.with_suffix(".rttm"), "--face", "walter", "--face", "amara", "--json"]
    words += ["--fps", 8, "--size", "96x64", "--to", "arkit", "-q", "-o", tmp_path / "out"]
    done = CliRunner().invoke(app, list(map(str, words)), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    names = [Path(path).name for path in said["files"].values()]
    own = (".emotion.json", ".glb", ".npz", ".arkit.csv")
    assert names[:3] + sorted(names[3:]) == [
        "talk.mp4",
        "talk.glb",
        "talk.rttm",
        *sorted(f"talk.{n}{e}" for n in ("ann", "bo") for e in own),
    ]
    assert sorted(names) == sorted(path.name for path in (tmp_path / "out").iterdir())
    assert (said["frames"], said["fps"], said["duration"]) == (16, 8, 2.0)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--face", "amara", "--face", "walter"], "several faces need --speakers"),
        (["--other", "walter"], "several faces need --speakers"),
        (["--map", "vrm", "--targets", "few"], "--targets does nothing with --map: its names are the blend shapes"),
        (
            ["--speakers", "nobody.rttm"],
            "nobody.rttm: no such file",
        ),
        (["--speakers", "99"], "--speakers 99: give channels"),
        (["--speakers", "2", "--emotion", "happy"], "--emotion is about one speaker"),
        (["--speakers", "2", "--transcript", "yes"], "--transcript is about one speaker"),
        (["--speakers", "2", "--visemes", "v.tsv"], "--visemes is about one speaker"),
        (["--speakers", "2", "--frames"], "--frames is about one speaker"),
        (["--speakers", "2", "--face", "amara", "--face", "nobody"], "there is no built-in face 'nobody'"),
        (["--speakers", "2", "--mesh", "a.obj"], "a.obj: no such file"),
        (["--speakers", "2", "--face", "amara", "--mesh", "b.obj"], "b.obj: no such file"),
        (["--speakers", "channels"], "talk.wav has one channel"),
        (["--listening", "0.5"], "--listening is about several speakers: it needs --speakers"),
        (["--shot", "cut"], "--shot is about several speakers: it needs --speakers"),
    ],
)
def test_options_of_speakers_that_mean_nothing_are_one_line(
    words: list[str], said: str, talk: Path, tmp_path: Path
) -> None:
    done = CliRunner().invoke(app, ["animate", str(talk), "-q", "-o", str(tmp_path / "out"), *words])
    assert done.exit_code == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_results_of_speakers_that_exist_are_kept(talk: Path, tmp_path: Path) -> None:
    (tmp_path / "talk.ann.npz").touch()
    words = ["animate", talk, "--speakers", talk.with_suffix(".rttm"), "--no-video", "-o", tmp_path, "-q"]
    done = CliRunner().invoke(app, list(map(str, words)))
    assert done.exit_code == 2
    assert "talk.ann.npz exists; use --force" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["talk.ann.npz"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--emotion", "happy", "--model", "nope"], "--model is for the diarizer"),
        (["--emotion", "happy", "--trust", "0.5"], "--trust is for the diarizer"),
        (["--emotion", "happy", "--fill-scale"], "--fill-scale is for the diarizer"),
        (["--emotion", "happy", "--language", "xx"], "--language is of words"),
    ],
)
def test_options_that_would_do_nothing_are_one_line(words: list[str], said: str, talk: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["animate", str(talk), "-q", "-o", str(tmp_path / "out"), *words])
    assert done.exit_code == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_piped_recording_is_animated_as_its_file_is(talk: Path, tmp_path: Path) -> None:
    words = ["animate", "--no-video", "--emotion", "happy", "-q"]
    samples = soundfile.read(talk, dtype="int16")[0].tobytes()
    mp3 = io.BytesIO()
    soundfile.write(mp3, soundfile.read(talk)[0], 16_000, format="MP3")
    given = (("file", talk, b""), ("wav", "-", talk.read_bytes()), ("raw", "-", samples), ("mp3", "-", mp3.getvalue()))
    for name, audio, sound in given:
        called = [*words, str(audio), "-o", str(tmp_path / name)]
        done = CliRunner().invoke(app, called, input=sound, catch_exceptions=False)
        assert done.exit_code == 0, done.output
    whole = (tmp_path / "file" / "talk.npz").read_bytes()
    assert (tmp_path / "wav" / "stdin.npz").read_bytes() == whole
    assert (tmp_path / "raw" / "stdin.npz").read_bytes() == whole
    piped = np.load(tmp_path / "mp3" / "stdin.npz")["coefficients"]
    assert abs(len(piped) - len(np.load(tmp_path / "raw" / "stdin.npz")["coefficients"])) <= 1


@pytest.mark.parametrize("sound", [b"", b"some text"])
def test_a_pipe_without_sound_is_one_line(sound: bytes, tmp_path: Path) -> None:
    words = ["animate", "-", "--no-video", "--emotion", "happy", "-q", "-o", str(tmp_path / "out")]
    done = CliRunner().invoke(app, words, input=sound, catch_exceptions=False)
    assert done.exit_code == 2
    assert done.stderr.startswith("error: -: ")  # what FFmpeg makes of text differs by version
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_results_of_earlier_runs_that_are_left_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("talk.mp4", "talk.glb", "talk.npz", "talk.fbx", "talk.wav", "other.mp4", "talk.mov"):
        (tmp_path / name).touch()
    moved = moving_cube(2)
    with inputs_kept([tmp_path / "talk.mov"]):
        print_files(tmp_path, "talk", [".glb", ".npz"], moved, moved.duration, Run())
        assert not caplog.records
        print_files(tmp_path, "talk", [".glb", ".npz"], moved, moved.duration, Run(force=True))
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path}: left as before, not of this run: talk.mp4, talk.fbx"
    ]
