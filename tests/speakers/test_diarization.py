"""Finding speakers by a network whose voices are known: frames hold which speaker they are of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sedtalker.arrays import Floats
from sedtalker.audio import from_samples
from sedtalker.errors import InputError
from sedtalker.speakers.diarization import EncodedSound, find_turns


class KnownVoices:
    """A ``SpeakerModel`` whose frames (T, S) say how loud each of S speakers is; a voice is a direction in them."""

    config: Any = None

    def frames(self, mel: Floats) -> tuple[Floats, Floats]:
        raise NotImplementedError

    def voices(self, frames: Floats, weight: Floats) -> Floats:
        mean = (frames * weight[..., None]).sum(1) + 1e-6
        return np.asarray(mean / np.linalg.norm(mean, axis=-1, keepdims=True), np.float32)

    def activity(self, frames: Floats, voice: Floats) -> Floats:
        return np.asarray(20.0 * ((frames * voice[:, None]).sum(-1) - 0.6), np.float32)


def frames_of(turns: list[tuple[int, int, int]], speakers: int, length: int) -> tuple[Floats, Floats]:
    frames = np.zeros((length, speakers), np.float32)
    for speaker, first, last in turns:
        frames[first:last, speaker] = 1.0
    many = frames.sum(1)
    number = np.stack([many == 0, many == 1, many > 1], 1).astype(np.float32)
    return frames, number


TURNS = [(0, 10, 110), (1, 120, 220), (0, 230, 330), (2, 340, 440), (1, 420, 520)]


@pytest.mark.parametrize("count", [None, 3])
def test_turns_overlaps_and_the_number_of_speakers_are_found(count: int | None) -> None:
    frames, number = frames_of(TURNS, 3, 560)
    found = EncodedSound(KnownVoices(), frames, number).speakers(count)
    assert len(found) == 3
    truth = frames.T > 0
    wrong = min(
        float(np.mean(found[list(order)] != truth))
        for order in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
    )
    assert wrong < 0.03
    both = found.sum(0) > 1
    assert both[425:435].all()
    assert not both[:400].any()


def test_fewer_speakers_are_found_where_fewer_are_asked_for() -> None:
    frames, number = frames_of(TURNS, 3, 560)
    assert len(EncodedSound(KnownVoices(), frames, number).speakers(2)) == 2
    assert len(EncodedSound(KnownVoices(), frames, number).speakers(1)) == 1


def test_one_person_is_one_speaker() -> None:
    frames, number = frames_of([(0, 10, 200), (0, 220, 400)], 2, 420)
    found = EncodedSound(KnownVoices(), frames, number).speakers()
    assert len(found) == 1
    assert np.mean(found[0] == (frames[:, 0] > 0)) > 0.97


def test_nobody_speaks_in_silence() -> None:
    frames, number = frames_of([], 2, 200)
    assert not len(EncodedSound(KnownVoices(), frames, number).speakers())
    with pytest.raises(InputError, match="nobody was found to speak"):
        find_turns(from_samples(np.zeros(32_000), 16_000))
