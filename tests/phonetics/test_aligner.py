"""Forced alignment: laws of the path, and times beside those of pocketsphinx."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.audio import load_audio
from sedtalker.errors import InputError
from sedtalker.phonetics import aligner
from sedtalker.phonetics.aligner import AlignedPhone, Alignment, align, phone_posteriors
from sedtalker.phonetics.pronunciation import SpokenWord, pronounce
from sedtalker.speech.encoder import EncoderPair, MelEncoder, open_encoder
from sedtalker.speech.features import EMOTION, PHONE_INDEX, PHONES, SILENCE, SPEECH

SPOKEN = st.sampled_from(PHONES[1:])
WORDS = st.lists(st.lists(SPOKEN, min_size=1, max_size=4), min_size=1, max_size=4).map(
    lambda found: [SpokenWord(f"w{i}", tuple(phones)) for i, phones in enumerate(found)]
)


def posteriors_of(frames: list[str], sharp: float = 0.9) -> np.ndarray:
    """(T, 40) of a sound in which these phones can be told apart well."""
    out = np.full((len(frames), len(PHONES)), (1 - sharp) / (len(PHONES) - 1))
    out[np.arange(len(frames)), [PHONE_INDEX[phone] for phone in frames]] = sharp
    return out


def noise(frames: int, seed: int) -> np.ndarray:
    drawn = np.random.default_rng(seed).gamma(0.3, size=(frames, len(PHONES))) + 1e-6
    return drawn / drawn.sum(1, keepdims=True)


def spoken_of(alignment: Alignment) -> list[str]:
    return [phone.phone for phone in alignment.phones if phone.word is not None]


@settings(max_examples=60)
@given(WORDS, st.integers(0, 1000), st.integers(0, 40))
def test_an_alignment_covers_the_sound_in_order(words: list[SpokenWord], seed: int, more: int) -> None:
    needed = sum(len(word.phones) for word in words)
    posteriors = noise(needed + more, seed)
    found = align(posteriors, words)
    assert spoken_of(found) == [phone for word in words for phone in word.phones]
    assert found.phones[0].start == 0.0
    assert found.duration == pytest.approx((needed + more) / 50)
    for before, after in zip(found.phones, found.phones[1:], strict=False):
        assert before.end == after.start
        assert before.start < before.end
    owners = [phone.word for phone in found.phones if phone.word is not None]
    assert owners == sorted(owners)
    assert [text for *_, text in found.word_times()] == [w.text for w in words]
    assert found.fit <= 0.0
    assert found == align(posteriors, words)


@settings(max_examples=30)
@given(WORDS, st.integers(0, 1000), st.integers(0, 12))
def test_the_path_is_the_best_of_all(words: list[SpokenWord], seed: int, more: int) -> None:
    """Against plain Viterbi with all back-pointers kept."""
    needed = sum(len(word.phones) for word in words)
    scores = np.log(noise(needed + more, seed))
    chain = aligner._chain(words, 50.0)
    path = aligner._best_path(scores, chain)
    emitted = scores[:, chain.classes]
    best = np.full(emitted.shape[1], -np.inf)
    best[:2] = emitted[0, :2]
    for row in emitted[1:]:
        skip = [best[s - 2] if s > 1 and chain.words[s] >= 0 > chain.words[s - 1] else -np.inf for s in range(len(row))]
        best = np.maximum(np.maximum(best, np.concatenate([[-np.inf], best[:-1]])), skip) + row
    assert emitted[np.arange(len(path)), path].sum() == pytest.approx(max(best[-2:]))


def test_times_of_a_clear_sound() -> None:
    frames = ["SIL"] * 5 + ["M"] * 4 + ["AE"] * 6 + ["P"] * 3 + ["SIL"] * 4 + ["B"] * 2 + ["IY"] * 6
    found = align(posteriors_of(frames), [SpokenWord("map", ("M", "AE", "P")), SpokenWord("bee", ("B", "IY"))])
    assert [(p.phone, round(50 * p.start), p.word) for p in found.phones] == [
        ("SIL", 0, None), ("M", 5, 0), ("AE", 9, 0), ("P", 15, 0), ("SIL", 18, None), ("B", 22, 1), ("IY", 24, 1),
    ]  # fmt: skip
    assert found.of(("P", "B", "M")) == [(0.1, 0.18), (0.3, 0.36), (0.44, 0.48)]
    assert found.word_times() == ((0.1, 0.36, "map"), (0.44, 0.6, "bee"))
    assert found.fit == pytest.approx(0.0)


def test_words_are_held_near_their_times() -> None:
    """The same word twice in the sound: once in the text, the time says which."""
    frames = (["SIL"] * 10 + ["B"] * 3 + ["IY"] * 7) * 2 + ["SIL"] * 10
    for start, end in ((0.2, 0.4), (0.6, 0.8)):
        found = align(posteriors_of(frames), [SpokenWord("bee", ("B", "IY"), (start, end))])
        assert found.word_times() == ((start, pytest.approx(end, abs=0.021), "bee"),)


def test_other_words_fit_badly() -> None:
    frames = ["SIL"] * 5 + ["M"] * 4 + ["AE"] * 6 + ["SIL"] * 5
    assert align(posteriors_of(frames, 0.99), [SpokenWord("shoe", ("SH", "UW"))]).fit < aligner.POOR_FIT


def test_what_cannot_be_aligned() -> None:
    with pytest.raises(InputError, match="no words to align"):
        align(noise(10, 0), [])
    with pytest.raises(InputError, match=r"12 phones, more than can be spoken in 0\.2 s: it is of a longer recording"):
        align(noise(10, 0), [SpokenWord("m", ("M",))] * 12)


def test_priors_are_those_of_all_classes() -> None:
    assert set(aligner.PRIORS) == set(PHONES)
    assert sum(aligner.PRIORS.values()) == pytest.approx(1.0, abs=0.02)


def test_posteriors_of_any_encoder() -> None:
    sound = load_audio(Path(__file__).parents[2] / "data" / "samples" / "four_moods.wav")
    encoder, emotion = open_encoder(), open_encoder("emotion_encoder")
    features = encoder(sound)
    own = phone_posteriors(features, sound)
    assert own.shape == (len(features), len(PHONES))
    assert own.sum(1) == pytest.approx(1.0, abs=1e-4)
    assert isinstance(encoder, MelEncoder)
    pair = EncoderPair({SPEECH: encoder, EMOTION: emotion})
    assert np.allclose(phone_posteriors(pair(sound), sound), own, atol=1e-6)
    assert np.allclose(phone_posteriors(emotion(sound), sound), own, atol=1e-6)


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.skipif(importlib.util.find_spec("pocketsphinx") is None, reason="needs the extra align")
def test_beside_pocketsphinx(data_dir: Path) -> None:
    """Median error of the starts of phones, on validation sentences of GRID and of speechocean762."""
    from sedtalker.training.corpora.manifest import read_manifest
    from sedtalker.training.corpora.tracked_motion import read_grid
    from sedtalker.training.motion import alignment as pocketsphinx

    tracked = [(c.audio, c.text) for c in read_grid(data_dir) if c.split == "valid"][:4]
    read = [c for c in read_manifest(data_dir) if c.corpus == "speechocean762" and c.split == "valid"][:4]
    encoder = open_encoder()
    errors: list[float] = []
    for path, text in tracked + [(c.path, c.transcript) for c in read]:
        sound = load_audio(path)
        theirs = [s for s in pocketsphinx.align(sound.samples, text) if s.phone != SILENCE]
        found = align(phone_posteriors(encoder(sound), sound), pronounce(text))
        mine = [p for p in found.phones if p.word is not None]
        if [p.phone for p in mine] == [s.phone for s in theirs]:  # of words with one pronunciation
            errors += [abs(p.start - s.start) for p, s in zip(mine, theirs, strict=True)]
    assert len(errors) > 40
    assert np.median(errors) <= 0.02


def test_spoken_words_that_are_written_as_one_have_one_time() -> None:
    phones = tuple(AlignedPhone(float(k), k + 1.0, "AH", word) for k, word in enumerate((0, 1, None, 2, 3)))
    found = Alignment(phones, ("1999", "", "", "men"))
    assert found.word_times() == ((0.0, 4.0, "1999"), (4.0, 5.0, "men"))
