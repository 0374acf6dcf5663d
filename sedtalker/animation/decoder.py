"""Speech features and a dense emotion track to the coefficients of the 52 ARKit shapes.

Mamba blocks carry the stream, local attention ties it to the frames around; both are modulated frame by frame by the
emotion. Non-autoregressive. Lips meet where the encoder finds p, b, m, f or v (``closures``).
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, Field

from sedtalker.animation.articulation import (
    TONGUE,
    Articulation,
    closures,
    constrictions,
    lip_posteriors,
    lips_apart,
    mixed_mouth,
    move_lips,
    required_closures,
    tongue_posteriors,
)
from sedtalker.animation.conditioning import STYLE_CODES, Style, UpperFaceStream, ease_cuts, emotional
from sedtalker.animation.opening import opening_of
from sedtalker.arrays import Floats, softmax
from sedtalker.checkpoint import read_arrays
from sedtalker.emotion.track import CATEGORIES, EmotionTrack
from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52
from sedtalker.nn.calls import Call, Steps, alone
from sedtalker.nn.engine import Arrays, GraphModel, Network, open_graph
from sedtalker.speech.features import PHONE_INDEX, SILENCE, SPEECH, SpeechFeatures
from sedtalker.speech.voice_presence import presence_of, presence_weights

STEPS = (48, 4, 1)
"""Frames that go through a decoder's graph at once; any number is a sum of these.

The longest is for recordings: 64 would be 2 % faster and 16 a fifth slower, and a longer graph takes longer to open.
"""
PROSODY_MEAN = (-6.0, 0.0, 0.6, -3.0)
"""Usual mean of each of ``PROSODY_CHANNELS``, taken out before a decoder reads them."""
PROSODY_SCALE = (3.0, 0.5, 0.3, 3.0)
"""Usual deviation of each of ``PROSODY_CHANNELS``."""


class DecoderConfig(BaseModel, extra="forbid"):
    """Hyper-parameters of ``Decoder``."""

    hidden: int = 256
    """Channels of the encoder's frames."""
    width: int = 128
    """Channels of the blocks."""
    condition: int = 64
    """Channels of the condition."""
    layout: str = Field("MMAMMA", pattern="^[MA]+$")
    """The blocks, in order; M: Mamba, A: local attention."""
    d_state: int = 8
    """States of each Mamba channel."""
    heads: int = 4
    """Attention heads."""
    radius: int = 12
    """Frames of 20 ms on either side that attention sees."""
    future: int | None = Field(None, ge=0)
    """Frames after a frame that attention sees; the radius if None."""
    dropout: float = 0.05
    """Dropout in the blocks during training."""
    styles: tuple[str, ...] = STYLE_CODES
    """Values of ``Style`` it was trained on."""
    shapes: tuple[str, ...] = ARKIT_52
    """The shapes that ever move; the others stay at zero."""
    closes: bool = False
    """Whether it holds the phone head of its encoder and closes the lips by it (see ``closures``)."""
    mouth_share: float = Field(0.0, ge=0.0, le=1.0)
    """Share of the mouth that is read out of the sound beside its own, in recordings; a decoder of one actor keeps its
    own, in streams, too."""

    @property
    def look_ahead(self) -> int:
        """Frames of 20 ms after a frame that it depends on."""
        return (self.radius if self.future is None else self.future) * self.layout.count("A")


PhoneHead = tuple[Floats, Floats]
"""Weight (40, D) and bias (40,) of a linear layer over ``PHONES``."""


class ShapeDecoder:
    """Base of decoders whose output is the 52 ARKit coefficients: what is done to the motion that a network gives.

    Networks of torch and graphs inherit it. Both run frames in steps, with all that they remember handed in and out.
    """

    config: DecoderConfig
    shapes = ARKIT_52
    moves_vertices: ClassVar[bool] = False
    """Whether it moves the vertices of one topology instead of shapes."""

    def start(self) -> Arrays:
        """The states before the first frame, of one stream."""
        raise NotImplementedError

    def advance(self, *given: Floats) -> Arrays:
        """A step of B streams: coefficients (B, L, 52), not yet clamped, and the next states.

        Args:
            given: speech (B, L, C), posterior (B, L, 7), intensity (B, L), style (B, S), valid (B, L), and the states.
        """
        raise NotImplementedError

    def steps_of(self, frames: int, last: bool = False) -> list[int]:
        """So many frames as the lengths of steps; if they are the last ones, a few frames more.

        Each length is a graph that has to be opened: the last frames are filled up and need none of the short ones.
        """
        lengths = list[int]()
        frames += -frames % STEPS[0] if last else 0
        for step in STEPS:
            count, frames = divmod(frames, step)
            lengths.extend([step] * count)
        return lengths

    @property
    def phone_head_arrays(self) -> PhoneHead | None:
        """The phone head of its encoder; None where it holds none."""
        raise NotImplementedError

    @property
    def styles(self) -> tuple[str, ...]:
        """Values of ``Style`` it was trained on."""
        return self.config.styles

    @property
    def moved(self) -> Floats:
        """(52,) 1 for the shapes that ever move, else 0."""
        return np.array([name in self.config.shapes for name in ARKIT_52], np.float32)

    def predict(self, features: SpeechFeatures, track: EmotionTrack, style: Style | None = None) -> Floats:
        """Coefficients (T, 52) in [0, 1] on ``features.clock``. Cuts in the track become onsets (``ease_cuts``).

        Raises:
            InputError: the features are not of the encoder the decoder was trained on, or the track has other
                categories than ``CATEGORIES``.
        """
        return self.with_mouth(features, track, style, features.mouth, self.config.mouth_share)

    def with_mouth(
        self, features: SpeechFeatures, track: EmotionTrack, style: Style | None, mouth: Floats | None, share: float
    ) -> Floats:
        """``predict`` with a ``share`` of a mouth (T, S) of ``TALKING_SHAPES``, see ``mixed_mouth``."""
        posterior, intensity = eased_emotion(features, track)
        motion, strong = self.motion(features, track, style), emotional(posterior, intensity, style or Style())
        whole = features.recording
        opening = None if whole.mouth is None else opening_of(whole.mouth, whole.voice)
        mixed = mixed_mouth(motion, mouth, strong, share, opening=opening)
        return self.closed(UpperFaceStream(self.moved).push(mixed, posterior, intensity), features, strong)

    def motion(self, features: SpeechFeatures, track: EmotionTrack, style: Style | None = None) -> Floats:
        """(T, 52) in [0, 1], before lips are closed."""
        speech = decoder_speech(self.config.hidden, features)
        stream = DecoderStream(self, style or Style())
        return np.clip(stream.push(speech, *eased_emotion(features, track), True), 0.0, 1.0)

    def closed(self, motion: Floats, features: SpeechFeatures, strong: Floats) -> Floats:
        """A motion (T, 52) with its lips closed on p, b, m and at the teeth on f, v, where it has a phone head."""
        if not self.config.closes:
            return motion
        apart = lips_apart(motion)
        closure = required_closures(lip_posteriors(self.phones_in(features)), strong)
        return np.clip(move_lips(motion, closure, apart, strong), 0.0, 1.0)

    def phones(self, hidden: Floats) -> Floats:
        """Logits (…, 40) over ``PHONES`` of the encoder's hidden values (…, D), by the phone head that it holds."""
        assert self.phone_head_arrays is not None
        weight, bias = self.phone_head_arrays
        return hidden @ weight.T + bias

    def phones_in(self, features: SpeechFeatures) -> Floats:
        """Logits (T, 40) over ``PHONES`` of a recording: those that its features hold, else by the phone head."""
        return self.phones(features.of(SPEECH).hidden) if features.phones is None else features.phones

    def articulation(self, features: SpeechFeatures) -> Articulation:
        """Constraints of the phones on tongue and lips; none without a phone head."""
        if not self.config.closes:
            return Articulation(np.zeros((len(features), len(TONGUE)), np.float32), np.zeros(len(features), np.float32))
        phones = self.phones_in(features)
        return Articulation(constrictions(tongue_posteriors(phones)), closures(lip_posteriors(phones))[:, 0])


class GraphDecoder(GraphModel, ShapeDecoder):
    """A decoder that ``sedtalker.nn.engine`` runs."""

    config: DecoderConfig

    def __init__(self, folder: Path, config: DecoderConfig, graph: Network) -> None:
        super().__init__(folder, config, graph)
        self._graphs = {STEPS[0]: graph}

    def _step(self, frames: int) -> Network:
        """The graph of a step, looked for on the disk at its first use alone: a stream takes some every hop."""
        if frames not in self._graphs:
            graph = open_graph(self.folder, f"step_{frames}")
            if graph is None:
                raise InputError(f"{self.folder}: step_{frames}.onnx is missing")
            self._graphs[frames] = graph
        return self._graphs[frames]

    def start(self) -> Arrays:
        return self.zeros_after(5)

    def advance(self, *given: Floats) -> Arrays:
        return self._step(given[0].shape[1])(*given)

    @cached_property
    def phone_head_arrays(self) -> PhoneHead | None:
        if not self.config.closes:
            return None
        weight, bias = read_arrays(self.folder, "phone_head.weight", "phone_head.bias")
        return weight, bias


class DecoderStream:
    """A decoder over stretches of any length, in memory that does not grow.

    Every state is handed from step to step. The concatenated output equals one pass (tested to 1e-4); frames come out
    ``look_ahead`` later than they go in.
    """

    def __init__(self, decoder: ShapeDecoder, style: Style):
        self.decoder = decoder
        self.style = np.array([style.code(decoder.config.styles)], np.float32)
        self.states = decoder.start()
        self.due = -decoder.config.look_ahead
        """Frames that have come out; those before the first are none."""

    def push(self, speech: Floats, posterior: Floats, intensity: Floats, last: bool = False) -> Floats:
        """Next frames of speech (t, C), (t, 7), (t,) → coefficients (n, 52) now certain."""
        return alone(self.steps(speech, posterior, intensity, last))

    def steps(self, speech: Floats, posterior: Floats, intensity: Floats, last: bool = False) -> Steps[Floats]:
        """``push`` with its calls of the decoder handed out; streams with steps of one length are one batch."""
        given = [np.asarray(part, np.float32)[None] for part in (speech, posterior, intensity)]
        given.append(np.ones_like(given[2]))
        known = given[2].shape[1]
        count = known + (self.decoder.config.look_ahead if last else 0)
        lengths = self.decoder.steps_of(count, last)
        if last:  # frames that are not valid push the last ones out
            more = sum(lengths) - known
            given = [np.concatenate([part, np.zeros((1, more, *part.shape[2:]), np.float32)], 1) for part in given]
        made, first = [np.zeros((0, len(ARKIT_52)), np.float32)], 0
        for length in lengths:
            part = [values[:, first : first + length] for values in given]
            step = (*part[:3], self.style, part[3], *self.states)
            out, *states = yield Call(_advanced, step, (self.decoder,))
            self.states = tuple(states)
            made.append(out[0, max(0, -self.due) :])
            first, self.due = first + length, self.due + length
        frames = np.concatenate(made)
        return frames[: len(frames) - (sum(lengths) - count)]


def _advanced(*given: Any) -> Arrays:
    *arrays, decoder = given
    made: Arrays = decoder.advance(*arrays)
    return made


def decoder_speech(hidden: int, features: SpeechFeatures) -> Floats:
    """Input of a decoder of ``hidden`` encoder channels for a recording, (T, D + 4).

    Raises:
        InputError: the features are not of the encoder it was trained on.
    """
    if features.hidden.shape[1] != hidden:
        raise InputError(
            f"the decoder needs {hidden} features a frame and the encoder gives "
            f"{features.hidden.shape[1]}: use the encoder it was trained on"
        )
    return speech_input(features.hidden, features.prosody)


def speech_input(hidden: Floats, prosody: Floats) -> Floats:
    """(…, D) hidden vectors and (…, 4) prosody to the decoder's input (…, D + 4)."""
    return np.concatenate(
        [hidden, (prosody - np.array(PROSODY_MEAN, np.float32)) / np.array(PROSODY_SCALE, np.float32)], -1
    )


def eased_emotion(features: SpeechFeatures, track: EmotionTrack) -> tuple[Floats, Floats]:
    """Posterior (T, 7) and intensity (T,) of a track at the features' times, cuts spread into onsets.

    Raises:
        InputError: the track has other categories.
    """
    if track.labels != CATEGORIES:
        raise InputError(f"the decoder needs the categories {', '.join(CATEGORIES)}")
    sampled = track.at(features.clock.times(len(features)))
    return ease_cuts(sampled.posterior, sampled.intensity)


# --- The mouth rests where nobody speaks or sings.

LEAST_PROBABILITY = 1e-9
"""Probability of a phone, at least, before its logarithm."""


def resting(features: SpeechFeatures) -> SpeechFeatures:
    """Features of a whole recording as a decoder reads them: ``at_rest`` where there is no voice.

    Features of other encoders than the lips', which have no ``phones``, are returned as they are.
    """
    if features.phones is None:
        return features
    return at_rest(features, presence_of(features.of(SPEECH).hidden, features.speech))


def at_rest(features: SpeechFeatures, presence: Floats) -> SpeechFeatures:
    """Features as of a pause where nobody speaks; those of nothing but a voice are returned themselves.

    Args:
        features: of the lips' encoder, or of two of which one is it.
        presence: (T,) how far each frame is a voice; all ones: the features themselves.
    """
    if presence.min(initial=1.0) == 1.0:
        return features
    weights, share = presence_weights(), presence[:, None]
    parts = features.parts or ((SPEECH, features.hidden.shape[1]),)
    own = np.repeat([name == SPEECH for name, _ in parts], [columns for _, columns in parts])
    rest = np.zeros(len(own), np.float32)
    rest[own] = weights.rest
    hidden = features.hidden - rest
    np.multiply(hidden, share, out=hidden, where=own)  # in place: an hour has 200 MB of them
    hidden += rest
    return replace(
        features,
        hidden=hidden,
        prosody=weights.rest_prosody + share * (features.prosody - weights.rest_prosody),
        speech=features.speech & (presence > 0.5),
        phones=None if features.phones is None else _silent(features.phones, share),
        mouth=None if features.mouth is None else share * features.mouth,
        presence=presence,
    )


def _silent(phones: Floats, share: Floats) -> Floats:
    """Logits (T, 40) of ``PHONES`` whose probabilities are multiplied by a share (T, 1); the rest is silence."""
    probability = softmax(phones, -1) * share
    probability[:, PHONE_INDEX[SILENCE]] += 1.0 - share[:, 0]
    return np.log(np.maximum(probability, LEAST_PROBABILITY, dtype=np.float32))
