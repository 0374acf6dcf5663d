"""The numbers of the pipeline around the networks, for programs that run it from ONNX graphs: a web page, an engine.

Each stands in one module of this package, and only there. ``model_constants`` gathers them by section, and the export
of the graphs writes them beside these, so that no other program has to repeat one.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import asdict, fields
from types import ModuleType
from typing import Any

import numpy as np

from sedtalker.animation import (
    animation_stream,
    articulation,
    burst_motion,
    conditioning,
    decoder,
    idle_motion,
    opening,
    visual_prosody,
)
from sedtalker.animation.articulation import CLOSE, JAW, PUCKER, ROLL
from sedtalker.animation.decoder import ShapeDecoder
from sedtalker.animation.mouth_rules import RULES
from sedtalker.animation.performance import LiveMotion, Motion, StreamSettings
from sedtalker.audio import activity, audio
from sedtalker.audio.activity import DIGITAL_SILENCE, ActivityRule
from sedtalker.emotion import burst_detector, emotion_stream, face_streams, inference, segmentation, shown
from sedtalker.emotion.diarizer_model import FEWEST_ROWS, ROW, EmotionModel
from sedtalker.emotion.inference import TrackRule
from sedtalker.emotion.segmentation import SegmentRule
from sedtalker.emotion.taxonomy import COORDINATES
from sedtalker.emotion.track import CATEGORIES, SILENCE, EmotionTrack
from sedtalker.face.arkit import ARKIT_52, TALKING_SIDES
from sedtalker.nn.engine import open_model
from sedtalker.speech import features, level_history, speech_stream, voice_presence
from sedtalker.speech.encoder import STREAMED, MelEncoder, open_encoder
from sedtalker.speech.encoder_model import GRID
from sedtalker.speech.features import EMOTION, FRAME_CLOCK, HOPS, PROSODY_CHANNELS, SPEECH

Section = dict[str, Any]
"""Plain data by name."""


def model_constants() -> dict[str, Section]:
    """Plain data by section, as JSON has it; times are seconds unless a name says frames or samples."""
    diarizer, moves = open_model("diarizer"), open_model("decoder")
    assert isinstance(moves, ShapeDecoder)
    sections = {
        "features": _features(),
        "speech_encoder": _encoder(SPEECH, 1),
        "emotion_encoder": _encoder(EMOTION, GRID),
        "activity": {**asdict(ActivityRule()), "floor": DIGITAL_SILENCE},
        "diarizer": _diarizer(diarizer),
        "segments": {**asdict(SegmentRule()), **_named(segmentation, "USUAL_ODDS", "LOWEST_COST", "EQUAL")},
        "shape": _numbers(TrackRule()),
        "shown": {
            **_named(shown, "SHARPNESS", "UNNOTICED", "NOTICED", "CLEAR", "BALANCE", "SOFTNESS", "RATED", "FAMILIAR"),
            "trust": TrackRule().trust,
            "visible": diarizer.config.visible,
            "neutral_odds": diarizer.config.neutral_odds,
        },
        "track": _track(),
        "decoder": {"hidden": moves.config.hidden, **_named(decoder, "PROSODY_MEAN", "PROSODY_SCALE")},
        "conditioning": _named(conditioning, "EMOTIONAL_SLOPE", "NEUTRAL", "STEEPEST", "HALF_ONSET"),
        "upper_face": _upper_face(moves),
        "mouth": _mouth(moves),
        "tongue": _tongue(),
        "arkit": {"names": ARKIT_52},
        "idle": _idle(),
        "rhythm": _named(visual_prosody, *(n for n in vars(visual_prosody) if n.isupper() and n != "ARKIT_52")),
        "speech_stream": _speech_stream(),
        "streams": _streams(),
        "bursts": _bursts(),
        "voice_presence": _voice_presence(),
    }
    return {name: _plain(section) for name, section in sections.items()}


def _features() -> Section:
    names = "HOP_LENGTH", "WINDOW_LENGTH", "FFT_LENGTH", "MEL_BANDS", "LOG_FLOOR", "ENERGY_FLOOR", "PITCH_WINDOW"
    more = "SHORTEST_LAG", "LONGEST_LAG", "LARGEST_GAIN", "SILENT_RMS", "SILENT_LEVEL", "QUIET", "LOUD", "SAMPLE_RATE"
    clock = {"frame_rate": FRAME_CLOCK.rate, "frame_offset": FRAME_CLOCK.offset}
    limits = _named(audio, "SHORTEST_SECONDS", "OFFSET_POLE", "OFFSET_BLOCK", "MOTIONLESS")
    limits |= _named(activity, "FAINTEST", "STEADY_RANGE", "LEAST_RANGE")
    return {**_named(features, *names, *more, "WINDOW_SECONDS"), **clock, **limits, "mel_edges": features.mel_edges()}


def _encoder(name: str, grid: int) -> Section:
    """``multiple``: analysis frames that its graph takes a multiple of, held at the end where there are fewer.

    ``pending``: frames before the end of what it takes, at which the next states are. ``around``: frames of digital
    silence, log-mels of ``log_floor`` alone, that a recording is put into.
    """
    encoder = open_encoder(name)
    assert isinstance(encoder, MelEncoder)
    pending, around = encoder.network.config.pending, encoder.network.around
    return {"context": encoder.context, "pending": pending, "around": around, "grid": grid, "multiple": HOPS * grid}


def _diarizer(network: EmotionModel) -> Section:
    seconds = _named(inference, "WINDOW_SECONDS", "SHORT_SOUND", "BRIEF_SOUND", "BRIEF_LIMIT", "NO_VOICE")
    return {**seconds, "context": network.config.context, "row": ROW, "least": FEWEST_ROWS * ROW}


def _track() -> Section:
    shortest = inspect.signature(EmotionTrack.segments).parameters["shortest"].default
    return {"labels": CATEGORIES, "shortest": shortest, "cost": segmentation.LOWEST_COST, "silence": SILENCE}


def _upper_face(moves: ShapeDecoder) -> Section:
    added = conditioning.ADDED * moves.moved
    return {"added": added, **_named(conditioning, "COLUMNS", "DELAYS", "UP", "DOWN", "LONGEST_DELAY")}


def _mouth(moves: ShapeDecoder) -> Section:
    read = np.flatnonzero(TALKING_SIDES.sum(0))
    derived = {"gaps": RULES.gaps, "parting": RULES.parting, "ahead_frames": RULES.streamed.ahead_frames}
    derived |= {"met_gap": RULES.met_gap, "read": read, "read_share": moves.config.mouth_share}
    derived |= {"streaming_context": open_model(STREAMED).config.context}
    derived |= _named(opening, "OPENING", "OPENING_STEP", "OPENING_STEPS", "LOWEST_LEVEL", "LEVEL_STEP", "LEVELS")
    derived |= _named(opening, "LOWEST_TILT", "TILT_STEP", "TILTS")
    return {**asdict(RULES), **derived, "jaw": JAW, "close": CLOSE, "roll": ROLL, "pucker": PUCKER}


def _tongue() -> Section:
    own = {name.removeprefix("tongue_"): value for name, value in asdict(RULES).items() if name.startswith("tongue_")}
    return {"names": articulation.TONGUE, **own, **_named(articulation, "INTERDENTAL", "ALVEOLAR", "REACH", "EASE")}


def _idle() -> Section:
    names = "BLINK_CLOSE", "BLINK_HOLD", "BLINK_OPEN", "SACCADE", "EYES_MOST", "POSTURE", "CALM_ACTIVITY"
    arousal = {name: point[1] for name, point in COORDINATES.items()}
    own = _named(idle_motion, *names, "LEAST_ACTIVITY", "AROUSED_ACTIVITY")
    return {**own, "arousal": arousal, **_numbers(Motion())}


def _speech_stream() -> Section:
    histogram, bands = level_history.LevelHistogram, level_history.BandHistory
    widths = {"width": histogram.WIDTH, "level_width": bands.LEVEL_WIDTH, "gain_step": bands.GAIN_STEP}
    levels = _named(level_history, "LOWEST", "HIGHEST")
    return {**levels, **_named(speech_stream, "ALIGNMENT", "BEFORE", "SILENT"), **widths}


def _streams() -> Section:
    names = "ONSET_SECONDS", "REFRESHED_SECONDS", "REFRESHED_CHANGE", "KEPT_SECONDS", "LIPS_CHANGE", "LIPS_SECONDS"
    late = _named(face_streams, *names)
    emotion = _named(emotion_stream, "LOOK_AHEAD_SECONDS", "HOP_SECONDS")
    kept = {"activity_frames": emotion_stream.SpeechStream.activity_frames}
    face = _named(animation_stream, "CROSSFADE")
    return {**_numbers(StreamSettings(), but=LiveMotion), **emotion, **late, **kept, **face}


def _bursts() -> Section:
    config = open_model("burst_detector").config
    read = {"context": config.context, "width": config.hidden + len(PROSODY_CHANNELS), "kinds": config.kinds}
    names = "STRIDE", "CHUNK", "SMOOTHED", "THRESHOLD", "STREAMED_THRESHOLD", "SHORTEST", "BRIDGED", "NAMED", "VOICE"
    shown = "BEGINS", "RISE", "FALL", "BREATH", "PULSE_WINDOW", "PULSE_SMOOTH", "PULSE_SIZE", "HELD", "PULSED"
    more = "GIVES_WAY", "LEFT_OF_IT", "NOD_SMOOTH", "NOD_FRAMES", "KEPT_LEVELS", "KEPT_FRAMES", "LIFTED", "DRAWN"
    return read | _named(burst_detector, *names, "SHOWN_KINDS") | _named(burst_motion, "HEAD", *shown, *more)


def _voice_presence() -> Section:
    names = "WINDOWS", "CERTAIN", "NO_VOICE", "HELD_FRAMES", "AHEAD_FRAMES", "OPENING_RATE", "CLOSING_RATE"
    weights = {name: values.tolist() for name, values in voice_presence.presence_weights()._asdict().items()}
    return {**weights, "bias": weights["bias"][0], **_named(voice_presence, *names)}


def _named(module: ModuleType, *names: str) -> Section:
    """Constants of a module under their names in small letters."""
    return {name.lower(): getattr(module, name) for name in names}


def _numbers(settings: Any, but: type | None = None) -> Section:
    """The fields of a dataclass that are numbers, without those that another one has."""
    left_out = {field.name for field in fields(but)} if but else set()
    values = {field.name: getattr(settings, field.name) for field in fields(settings)}
    return {name: value for name, value in values.items() if isinstance(value, int | float) and name not in left_out}


def _plain(value: Any) -> Any:
    """The same as JSON has it; float32 in as few digits as bring it back."""
    if isinstance(value, Mapping):
        return {str(name): _plain(held) for name, held in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        digits = value if value.dtype != np.float32 else np.array([float(str(x)) for x in value.ravel()])
        return _plain(digits.reshape(value.shape).tolist())
    return [_plain(held) for held in value] if isinstance(value, list | tuple) else value
