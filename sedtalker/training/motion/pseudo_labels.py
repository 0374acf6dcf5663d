"""Mouth motion of speakers whom nobody tracked: pseudo-labels read out of the layers of a large speech encoder.

Layers 3 and 4 of Whisper-base (Radford et al. 2022), read out linearly, follow the lips of talkers on whom the readout
was not fitted better than networks that were trained on one talker. Here the readout is fitted to the tracked talker's
clips and says how the mouths of everybody else move: the teacher reads each recording as it is, networks that learn
from it read augmented copies.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sedtalker.animation.decoder_network import MouthReadout
from sedtalker.animation.mouth_readout import READ_LAYERS
from sedtalker.arrays import Floats
from sedtalker.audio import Audio, resample_frames
from sedtalker.checkpoint import builtin_checkpoint, weights_sha256
from sedtalker.face.arkit import ARKIT_52, INDEX, SPEECH_SHAPES, both_sides, speech_only
from sedtalker.nn.engine import open_model
from sedtalker.progress import Hook, counted, no_progress
from sedtalker.speech.features import FRAME_CLOCK
from sedtalker.speech.whisper import WhisperEncoder
from sedtalker.training.corpora.feature_store import SpeechCache
from sedtalker.training.corpora.layer_features import open_whisper
from sedtalker.training.corpora.manifest import read_manifest
from sedtalker.training.corpora.tracked_motion import TrackedClip
from sedtalker.training.motion.alignment import PhoneSpan
from sedtalker.training.motion.crops import TalkingCrops
from sedtalker.training.motion.spoken_motion import (
    LipMeasure,
    Rest,
    SpokenMotion,
    fit_gap,
    rounding_of,
    speak,
    speak_phones,
)

RIDGE = 0.01
"""Penalty of squared weights, per training frame."""

Pair = tuple[Tensor, Tensor]
"""Layers (T, L · D) of a recording and its tracked mouth (T, S)."""


def ridge_convolution(pairs: Iterable[Pair], step: int, reach: int, penalty: float = RIDGE) -> tuple[Tensor, Tensor]:
    """Weight (K, C, taps) and bias (K,) of a convolution, by ridge regression over all frames.

    Args:
        pairs: recordings: projected layers (T, C) and what is read of them (T, K).
        step: frames between two taps.
        reach: taps on either side of a frame; ends are held.
        penalty: of squared weights, per frame; the bias has none.
    """
    square, product, count = torch.zeros(1), torch.zeros(1), 0
    for layers, targets in pairs:
        padded = F.pad(layers.T[None], (step * reach, step * reach), mode="replicate")
        windows = padded.unfold(2, 2 * step * reach + 1, 1)[0, :, :, ::step]  # (C, T, taps)
        rows = torch.cat([windows.permute(1, 0, 2).flatten(1), torch.ones(len(targets), 1)], 1)
        square = square + rows.T @ rows
        product = product + rows.T @ targets
        count += len(targets)
    punished = torch.ones(len(square), dtype=torch.float64)
    punished[-1] = 0.0
    found = torch.linalg.solve(square.double() + torch.diag(penalty * count * punished), product.double()).float()
    return found[:-1].T.unflatten(1, (-1, 2 * reach + 1)).contiguous(), found[-1]


LIP_FEATURES = ("inner_lip_height", "inner_lip_width", "outer_lip_height", "outer_lip_width", "nose_to_chin")
"""Tracked distances that are predicted, outer-eye distances."""
MOTION_SHAPES = tuple(n for n in SPEECH_SHAPES if not n.endswith("Right"))
"""Shapes that are predicted, both sides alike."""


def motion_targets(clip: TrackedClip) -> Floats:
    """(T, 5 + shapes) lip features and even speech shapes of a tracked clip."""
    shapes = speech_only(clip.coefficients)[:, [INDEX[n] for n in MOTION_SHAPES]]
    return np.column_stack([np.column_stack([clip.feature(n) for n in LIP_FEATURES]), shapes]).astype(np.float32)


@dataclass(frozen=True, eq=False)
class TeacherLayers:
    """Layers of the teacher, projected, of recordings by file; computed once.

    Attributes:
        readout: its projection, that of the built-in decoder for Whisper-base.
        cache: (T, C) of each sound file, 50 frames a second.
    """

    readout: MouthReadout
    cache: SpeechCache

    def of(self, audio: Path) -> Tensor:
        """(T, C) of a recording."""
        return torch.from_numpy(np.asarray(self.cache.get(audio), np.float32))


def open_teacher(data: Path, cache: Path) -> TeacherLayers:
    """The teacher, ready to read recordings; see ``open_whisper``."""
    folder = builtin_checkpoint("decoder_whisper_base")
    readout = open_model(folder, "readout_decoder", in_torch=True).readout
    encoder = open_whisper(data, layers=READ_LAYERS)
    name = encoder.sha256()[:8] + weights_sha256(folder)[:8]
    return TeacherLayers(readout, SpeechCache(cache, name, partial(_projected, encoder, readout)))


def _projected(encoder: WhisperEncoder, readout: MouthReadout, audio: Audio) -> Floats:
    return np.asarray(readout.project(torch.from_numpy(encoder.frames(audio.samples))[None])[0].numpy(), np.float32)


@dataclass(frozen=True, eq=False)
class MotionReadout:
    """A linear readout of the teacher's layers over ± 0.2 s, (K, C, taps) and (K,)."""

    teacher: TeacherLayers
    weight: Tensor
    bias: Tensor

    def __call__(self, audio: Path) -> Floats:
        """(T, K) of a recording, 50 frames a second."""
        config, reach = self.teacher.readout.config, self.teacher.readout.config.context
        padded = F.pad(self.teacher.of(audio).T[None], (reach, reach), mode="replicate")
        return F.conv1d(padded, self.weight, self.bias, dilation=config.step)[0].T.numpy()


def fit_motion_readout(teacher: TeacherLayers, clips: Sequence[TrackedClip], hook: Hook = no_progress) -> MotionReadout:
    """The readout of ``motion_targets`` of the tracked talker's clips, by ridge regression."""
    config, pairs = teacher.readout.config, list[Pair]()
    for clip in counted(clips, hook, "reading the teacher's layers", len(clips)):
        layers = teacher.of(clip.audio)
        moved = resample_frames(motion_targets(clip), clip.times, FRAME_CLOCK.times(len(layers)))
        pairs.append((layers, torch.from_numpy(moved)))
    return MotionReadout(teacher, *ridge_convolution(pairs, config.step, config.reach))


def pseudo_clip(readout: MotionReadout, audio: Path) -> TrackedClip:
    """A recording with what a readout of ``motion_targets`` says of it in the place of a tracker's motion."""
    motion = readout(audio)
    coefficients = np.zeros((len(motion), len(ARKIT_52)), np.float32)
    for column, shape in enumerate(MOTION_SHAPES, len(LIP_FEATURES)):
        coefficients[:, both_sides(shape.removesuffix("Left"))] = motion[:, [column]].clip(0.0, 1.0)
    times, lips = FRAME_CLOCK.times(len(motion)), motion[:, : len(LIP_FEATURES)]
    return TrackedClip(audio.stem, "train", audio, "", times, coefficients, lips, LIP_FEATURES)


def mixed_motion(
    clip: TrackedClip, phones: SpokenMotion, spans: list[PhoneSpan], rest: Rest, lip_measure: LipMeasure, share: float
) -> SpokenMotion:
    """The motion of read speech: what a readout and what the phones say, mixed; p, b, m always close.

    Args:
        clip: from ``pseudo_clip``.
        phones: the motion made from the aligned phones, of the same recording.
        rest: the tracked talker's closed mouth, since readouts are fitted to that talker.
        lip_measure: of the face.
        share: of the readout, 0 to 1.
    """
    read_out = speak(clip, spans, rest, lip_measure, FRAME_CLOCK.times(len(phones.gap)))
    gap = (1.0 - share) * phones.gap + share * read_out.gap * (1.0 - phones.closure)
    mixed = (1.0 - share) * phones.coefficients + share * read_out.coefficients
    return replace(
        phones,
        coefficients=fit_gap(mixed.astype(np.float32), gap, lip_measure),
        gap=gap.astype(np.float32),
        rounding=rounding_of(mixed),
    )


# --- Everybody else's motion, for the crops that decoders are trained on.

UNTRANSCRIBED = "librispeech"
"""Read speech without words: its motion is the readout's alone."""


def speak_others(crops: TalkingCrops, data: Path, cache: Path, hook: Hook = no_progress) -> None:
    """Make the motion of read speech from its phones, mixed with a teacher's readout where ``readout_share`` says so.

    With a teacher there is more read speech: recordings whose words nobody knows.
    """
    talker, read, share = crops.talker, crops.read, crops.config.readout_share
    network = talker.phone_motion()
    if not share:
        read.speak(lambda key, frames: speak_phones(network, read.spans[key], frames, crops.lip_measure))
        return
    readout = fit_motion_readout(open_teacher(data, cache), talker.training, hook)
    manifest = read_manifest(data)
    audio = {clip.path.stem: clip.path for clip in manifest}

    def mixed(key: str, frames: int) -> SpokenMotion:
        phones, clip = read.spans[key], pseudo_clip(readout, audio[key])
        found = speak_phones(network, phones, frames, crops.lip_measure)
        return mixed_motion(clip, found, phones, talker.rest, crops.lip_measure, share)

    read.speak(mixed)
    others = [(k.path.stem, k.path) for k in manifest if k.corpus == UNTRANSCRIBED and k.split in ("train", "valid")]
    unused = {k.path.stem for k in manifest if k.split == "valid"}
    store = crops.open_store(UNTRANSCRIBED, others, crops.config.read_speech_copies)
    for copy in store.copies:
        if copy.key in unused:
            continue
        if copy.key not in read.spoken:
            clip = pseudo_clip(readout, audio[copy.key])
            read.spoken[copy.key] = speak(clip, [], talker.rest, crops.lip_measure, clip.times)
        crops.pseudo_labelled.append((store, copy))
