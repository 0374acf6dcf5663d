"""The mouth where phones are known: what must happen does, on every face, and nothing else changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.animation.animator import Animator
from sedtalker.animation.known_phones import gap_of, sharpen
from sedtalker.animation.mouth_rules import RULES
from sedtalker.animation.performance import Motion
from sedtalker.animation.recipe import Moved, assemble, drawn_of
from sedtalker.audio import load_audio
from sedtalker.emotion.formats.files import parse_emotion
from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52, INDEX
from sedtalker.face.builtin import load_face
from sedtalker.metrics.motion import CLOSED_GAP
from sedtalker.phonetics.aligner import AlignedPhone, Alignment
from sedtalker.phonetics.pronunciation import SpokenWord
from sedtalker.speech.encoder import open_encoder
from sedtalker.speech.features import BILABIAL, LABIODENTAL, OPEN_VOWELS, PHONES

FRAMES = 60
TIMES = (np.arange(FRAMES) + 0.5) / 50
MOUTH = [INDEX[name] for name in ARKIT_52 if name.startswith(("jaw", "mouth", "tongue", "cheek", "nose"))]
SAMPLE = Path(__file__).parents[2] / "data" / "samples" / "four_moods.wav"


def drawn(seed: int, strength: float = 0.6) -> np.ndarray:
    """(T, 52) a smooth motion of all shapes, the jaw open throughout."""
    noise = np.random.default_rng(seed).random((FRAMES // 6 + 2, 52))
    smooth = np.stack([np.interp(np.arange(FRAMES), 6 * np.arange(len(noise)), column) for column in noise.T], 1)
    smooth[:, INDEX["jawOpen"]] = 0.2 + 0.5 * smooth[:, INDEX["jawOpen"]]
    return np.asarray(strength * smooth, np.float32)


def alignment_of(phones: list[tuple[str, int]]) -> Alignment:
    edges = np.concatenate([[0], np.cumsum([count for _, count in phones])]) / 50
    spans = zip(phones, edges, edges[1:], strict=False)
    return Alignment(tuple(AlignedPhone(float(a), float(b), p, 0) for (p, _), a, b in spans))


def whole(phones: list[tuple[str, int]]) -> Alignment:
    return alignment_of([*phones, ("SIL", FRAMES - sum(count for _, count in phones))])


ALIGNMENTS = st.lists(st.tuples(st.sampled_from(PHONES), st.integers(1, 7)), min_size=1, max_size=8).map(whole)
MOTIONS = st.tuples(st.integers(0, 99), st.sampled_from([0.2, 0.6, 1.0])).map(lambda found: drawn(*found))


@pytest.fixture(scope="module")
def face():
    return load_face()


@settings(max_examples=40)
@given(ALIGNMENTS, MOTIONS)
def test_lips_meet_in_every_bilabial(face, phones: Alignment, motion: np.ndarray) -> None:
    gap = gap_of(face, sharpen(motion, TIMES, phones, face))
    for start, end in phones.of(BILABIAL):
        inside = (start - 0.021 <= TIMES) & (end + 0.021 >= TIMES)
        assert gap[inside].min() < CLOSED_GAP


@settings(max_examples=40)
@given(st.sampled_from(OPEN_VOWELS), st.sampled_from([0.0, 0.1, 0.4]), st.integers(4, 12))
def test_lips_are_apart_in_the_middle_of_an_open_vowel(face, vowel: str, jaw: float, frames: int) -> None:
    phones = whole([("SIL", 12), ("P", 5), (vowel, frames), ("B", 5)])
    motion = np.zeros((FRAMES, 52), np.float32)
    motion[:, [INDEX["jawOpen"], INDEX["mouthClose"]]] = jaw
    assert np.array_equal(sharpen(motion, TIMES, phones, face), motion), "a mouth that does not move stays"
    motion[40:, INDEX["jawOpen"]], motion[40:, INDEX["mouthClose"]] = 0.4, 0.0
    gap = gap_of(face, sharpen(motion, TIMES, phones, face))
    ((start, end),) = phones.of(OPEN_VOWELS)
    middle = np.abs(TIMES - 0.5 * (start + end)) <= 0.011
    assert gap_of(face, motion)[middle].max() < CLOSED_GAP < gap[middle].min()


@pytest.mark.parametrize("fps", [25.0, 30.0, 60.0])
def test_they_meet_in_the_frames_of_a_video(face, fps: float) -> None:
    features = open_encoder()(load_audio(SAMPLE))
    motion = np.full((len(features), 52), 0.0, np.float32)
    motion[:, INDEX["jawOpen"]] = 0.5
    spans = [AlignedPhone(0.2 + 0.263 * k, 0.24 + 0.263 * k, "PBM"[k % 3], 0) for k in range(20)]
    phones = Alignment(tuple(spans))
    times = features.clock.times(len(features))
    sharpened = sharpen(motion, times, phones, face)
    track = parse_emotion("neutral", len(features) / 50)
    moved = Moved(sharpened, ARKIT_52, features, track)
    motion = Motion(fps=fps)
    shown = assemble(moved, drawn_of(features, motion, len(features) / 50), motion, face)
    gap, shown_at = gap_of(face, shown.coefficients), shown.clock.times(len(shown))
    for span in spans:
        inside = (shown_at > span.start - 0.04) & (shown_at < span.end + 0.04)
        assert gap[inside].min() < CLOSED_GAP


@pytest.mark.parametrize("name", ["amara", "walter", "mei", "pip"])
def test_lips_meet_on_other_faces(name: str) -> None:
    other = load_face(name)
    phones = whole([("AA", 6), ("B", 2), ("AE", 6), ("M", 5), ("IY", 4), ("P", 1), ("AA", 8)])
    gap = gap_of(other, sharpen(drawn(3, 1.0), TIMES, phones, other))
    for start, end in phones.of(BILABIAL):
        assert gap[(start - 0.021 <= TIMES) & (end + 0.021 >= TIMES)].min() < CLOSED_GAP


@settings(max_examples=25)
@given(ALIGNMENTS, MOTIONS)
def test_the_lower_lip_comes_to_the_teeth(face, phones: Alignment, motion: np.ndarray) -> None:
    sharpened = sharpen(motion, TIMES, phones, face)
    gap = gap_of(face, sharpened)
    for start, end in phones.of(LABIODENTAL):
        inside = (start - 0.021 <= TIMES) & (end + 0.021 >= TIMES)
        assert gap[inside].min() < RULES.teeth_gap + 1e-3


@settings(max_examples=40)
@given(ALIGNMENTS, MOTIONS)
def test_nothing_changes_away_from_the_phones(face, phones: Alignment, motion: np.ndarray) -> None:
    sharpened = sharpen(motion, TIMES, phones, face)
    needy = phones.of((*BILABIAL, *LABIODENTAL))
    away = np.all(
        [(a - RULES.fade - 0.03 > TIMES) | (b + RULES.fade + 0.03 < TIMES) for a, b in needy] or [TIMES > 0.0], axis=0
    )
    assert np.array_equal(sharpened[away], motion[away])
    others = [k for k in range(52) if k not in MOUTH]
    assert np.array_equal(sharpened[:, others], motion[:, others])
    assert sharpened.min() >= 0.0
    assert sharpened.max() <= 1.0
    assert np.array_equal(sharpened, sharpen(motion, TIMES, phones, face))


def test_lips_that_meet_anyway_stay_as_they_are(face) -> None:
    motion = np.zeros((FRAMES, 52), np.float32)
    phones = whole([("T", 10), ("B", 4), ("T", 10)])
    assert np.array_equal(sharpen(motion, TIMES, phones, face), motion)


def test_a_decoder_of_vertices_has_no_lips_to_sharpen(face) -> None:
    with pytest.raises(InputError, match="a vertex decoder has none"):
        sharpen(np.zeros((5, 12), np.float32), TIMES[:5], whole([("B", 3)]), face)


def test_words_given_to_the_animator() -> None:
    """The same motion but for the mouth near the words; the phones come with it."""
    sound = load_audio(SAMPLE)
    animator = Animator.from_pretrained()
    plain = animator(sound, emotion="neutral")
    words = [SpokenWord("map", ("M", "AE", "P"), (1.0, 1.5)), SpokenWord("bee", ("B", "IY"), (1.5, 2.0))]
    said = animator(sound, emotion="neutral", words=words)
    assert said.phones is not None
    assert plain.phones is None
    assert [text for *_, text in said.phones.word_times()] == ["map", "bee"]
    assert (said.provenance["words"], said.provenance["language"]) == (2, "en")
    times = plain.clock.times(len(plain))
    away = (times < said.phones.word_times()[0][0] - 0.15) | (times > said.phones.word_times()[-1][1] + 0.15)
    assert np.array_equal(said.coefficients[away], plain.coefficients[away])
    gap = gap_of(said.face, said.coefficients)
    for start, end in said.phones.of(BILABIAL):
        assert gap[(times >= start - 0.04) & (times <= end + 0.04)].min() < CLOSED_GAP
