"""Text to speech: signs of the model as phones, and an engine with a tiny model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sedtalker.audio import load_audio
from sedtalker.errors import InputError
from sedtalker.phonetics import synthesis
from sedtalker.phonetics.synthesis import LATE, Synthesizer, voice_names
from tests.support.tiny_voice import save_tiny_voice

HELLO = "həlˈoʊ bˈɑːb. ʌpˈiː"
"""Hello Bob. Uppie"""


def test_signs_become_phones() -> None:
    words = synthesis._words(HELLO, ["Hello,", "Bob.", "Uppie!"], HELLO.split())
    assert [word.text for word in words] == ["Hello,", "Bob.", "Uppie!"]
    assert [[classes for *_, classes in word.sounds] for word in words] == [
        [("HH",), ("AH",), ("L",), ("OW",)],
        [("B",), ("AA",), ("B",)],
        [("AH",), ("P",), ("IY",)],
    ]
    assert words[1].sounds == ((0, 1, ("B",)), (1, 4, ("AA",)), (4, 5, ("B",)))
    signs = HELLO.replace(" ", "")
    own = synthesis._word_times(words, [(1 + 0.1 * k, 1.1 + 0.1 * k) for k in range(len(signs))])
    assert own[0] == pytest.approx((1 - LATE, 1 - LATE + 0.1 * signs.index("b")))
    assert own[1] == pytest.approx((1 - LATE + 0.1 * signs.index("b"), 1 - LATE + 0.1 * signs.index(".")))


def test_texts_of_words_that_are_spoken_as_one_or_as_several() -> None:
    signs, alone = "ɪn nˈaɪntiːn nˈaɪn, ʌvðə kˈɪŋ!", ["ɪn", "nˈaɪntiːn nˈaɪn", "ˈʌv", "ðˈə", "kˈɪŋ"]
    words = synthesis._words(signs, ["In", "1909,", "of", "the", "king!"], [*alone[:1], "".join(alone[1]), *alone[2:]])
    assert [word.text for word in words] == ["In", "1909,", "", "of the", "king!"]
    assert [word.text for word in synthesis._words("a – b", ["x", "y"], ["", ""])] == ["x y", "", ""]


# --- The engine, with a tiny model.


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    pytest.importorskip("kokoro_onnx", reason="the extra tts is not installed")
    return save_tiny_voice(tmp_path_factory.mktemp("voice"))


def test_speech_has_words_with_times(tiny: tuple[Path, Path], tmp_path: Path) -> None:
    synthesizer = Synthesizer(*tiny)
    assert synthesizer.names == voice_names(tiny[1]) == ["af_tiny", "bm_tiny"]
    speech = synthesizer(["Hello Bob.", "My map!"])
    assert speech.counts == (2, 2)
    assert [word.text for word in speech.words] == ["Hello", "Bob.", "My", "map!"]
    assert [word.phones for word in speech.words][1::2] == [("B", "AA", "B"), ("M", "AE", "P")]
    begins = [word.within[0] for word in speech.words if word.within]
    assert begins == sorted(begins)
    assert 0.0 <= begins[0] < begins[-1] < speech.sound.duration
    speech.save(tmp_path / "speech.wav")
    assert load_audio(tmp_path / "speech.wav").sha256 == speech.sound.sha256


def test_british_voices_speak_english_of_any_name(tiny: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    synthesizer = Synthesizer(*tiny)
    names = list[str]()
    speak = synthesizer.engine.tokenizer.phonemize
    monkeypatch.setattr(
        synthesizer.engine.tokenizer, "phonemize", lambda text, name: names.append(name) or speak(text, name)
    )
    for language in ("en", "EN", "en_US"):
        synthesizer(["Hello"], "bm_tiny", language=language)
    assert set(names) == {"en-gb"}


def test_a_model_whose_durations_are_not_found_speaks_all_the_same(tmp_path: Path) -> None:
    pytest.importorskip("kokoro_onnx", reason="the extra tts is not installed")
    speech = Synthesizer(*save_tiny_voice(tmp_path, "/other"))(["Hello Bob."])
    assert [word.within for word in speech.words] == [None, None]


def test_what_cannot_be_spoken_is_an_error(tiny: tuple[Path, Path], tmp_path: Path) -> None:
    synthesizer = Synthesizer(*tiny)
    for arguments, message in [
        ((["Hello"], "nobody"), "no voice is called 'nobody'"),
        ((["Hello"], None, 3.0), "give 0.5 to 2"),
        ((["…"],), "nothing to say"),
        ((["Hello"], None, 1.0, "klingon"), "klingon"),
    ]:
        with pytest.raises(InputError, match=message):
            synthesizer(*arguments)  # type: ignore[arg-type]
    (tmp_path / "no.onnx").write_bytes(b"no")
    with pytest.raises(InputError, match="not a model of Kokoro"):
        Synthesizer(tmp_path / "no.onnx", tiny[1])
    with pytest.raises(InputError, match="no file of voices"):
        Synthesizer(tiny[0], tmp_path / "no.onnx")
    with pytest.raises(InputError, match="no such file"):
        Synthesizer(tmp_path / "missing.onnx", tiny[1])


def test_samples_are_within_sixteen_bits(tiny: tuple[Path, Path]) -> None:
    speech = Synthesizer(*tiny)(["Hello"])
    assert speech.samples.dtype == np.int16
    assert np.abs(speech.samples.astype(int)).max() > 30_000
