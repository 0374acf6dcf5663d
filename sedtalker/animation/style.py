"""Talking styles: by name, by value, from a file, or fitted to a clip of somebody."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path

import numpy as np

from sedtalker.animation.conditioning import STYLE_CODES, Style
from sedtalker.animation.decoder import ShapeDecoder
from sedtalker.arrays import Floats, Reals
from sedtalker.emotion.formats import constant_track
from sedtalker.emotion.track import EmotionTrack
from sedtalker.errors import InputError, one_of
from sedtalker.face.face import Face
from sedtalker.metrics.motion import lip_aperture, lip_width
from sedtalker.reading import read_json
from sedtalker.speech.features import SpeechFeatures
from sedtalker.storage import write_text

STYLES: dict[str, Style] = {
    "natural": Style(),
    "clear": Style(articulation=0.6, crispness=0.6),
    "mumbled": Style(articulation=-0.8, crispness=-0.8),
    "broad": Style(articulation=1.0, rounding=0.6, crispness=0.3),
    "lively": Style(articulation=0.2, dynamics=0.9, crispness=0.2),
    "even": Style(articulation=-0.2, dynamics=-0.8),
}
"""Styles by name; ours."""
FORMER = {"auto": "natural"}
"""Names of earlier versions: under ``auto`` the mouth opened by the voice, as it now does under every style."""
FORMAT = "sedtalker-style"
"""Name of the format of a style file."""


def parse_style(text: str) -> Style:
    """A style from its name, from values (``articulation=0.5,dynamics=1``) or from a file of ``write_style``."""
    name = FORMER.get(text, text)
    if name in STYLES:
        return STYLES[name]
    if text.endswith(".json"):
        return read_style(Path(text))
    if "=" not in text:
        known = one_of(text, STYLES, ", or values such as articulation=0.5")
        raise InputError(f"there is no style '{text}': {known}")
    values: dict[str, float] = {}
    for part in text.split(","):
        name, _, value = part.partition("=")
        try:
            values[name.strip()] = float(value)
        except ValueError:
            raise InputError(f"style {text}: '{part}' is not NAME=NUMBER, for example dynamics=0.5") from None
    return _checked(values, "style")


def _checked(values: dict[str, float], where: str) -> Style:
    for name, value in values.items():
        if name not in STYLE_CODES:
            raise InputError(f"{where}: there is no '{name}': {one_of(name, STYLE_CODES)}")
        if not (math.isfinite(value) and -1.0 <= value <= 1.0):
            raise InputError(f"{where}: {name} is {value:g}, and goes from -1 to 1")
    return Style(**values)


def read_style(path: Path) -> Style:
    """A style from its file."""
    try:
        found = read_json(path, "a style")
    except InputError as error:
        raise InputError(f"{error}; sedtalker style writes a style file") from None
    if not isinstance(found, dict) or found.get("format") != FORMAT or not isinstance(found.get("style"), dict):
        raise InputError(f"{path}: no style file; sedtalker style writes one")
    try:
        values = {str(name): float(value) for name, value in found["style"].items()}
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"{path}: a value of the style is no number") from None
    return _checked(values, str(path))


def write_style(path: Path, style: Style) -> None:
    """Write a style as JSON."""
    write_text(path, json.dumps({"format": FORMAT, "version": 1, "style": asdict(style)}, indent=2) + "\n")


def fit_style(
    decoder: ShapeDecoder, features: SpeechFeatures, motion: Floats, face: Face, track: EmotionTrack | None = None
) -> tuple[Style, float]:
    """The style under which the decoder moves the lips most like a clip, and the error left over.

    Args:
        decoder: from ``open_model``.
        motion: (T, 52) ARKit weights of the clip on ``features.clock``, without much emotion.
        face: whose lips are compared, ``ARKIT_52`` first.
        track: the emotion of the clip; default: neutral.

    Returns:
        The style, and the RMS of the lips' height and width that it leaves, over that which ``Style()`` leaves.

    Raises:
        InputError: the decoder has no styles, or the clip holds no speech.
    """
    from scipy.optimize import minimize

    known = decoder.styles
    speech = features.speech
    if not known or speech.sum() < 25:
        raise InputError("a style needs half a second of speech" if known else "this decoder has no styles")
    wanted = _lips(face, motion)[speech]
    scale = wanted.std(0) + 1e-6
    if track is None:
        track = constant_track("neutral:0", float(features.clock.times(len(features))[-1]))

    def error(values: Reals) -> float:
        style = Style(**{n: float(v) for n, v in zip(known, np.clip(values, -1.0, 1.0), strict=True)})
        made = _lips(face, decoder.predict(features, track, style))[speech]
        beyond = np.square(np.abs(values) - np.clip(np.abs(values), 0.0, 1.0)).sum()
        off = float(np.sqrt(np.mean(np.square((made - wanted) / scale))))
        return off + 0.02 * float(np.square(values).sum()) + beyond

    start = np.zeros(len(known))
    simplex = np.concatenate([start[None], 0.5 * np.eye(len(known))])
    found = minimize(error, start, method="Nelder-Mead", options={"maxfev": 80, "initial_simplex": simplex})
    usual = error(start)
    best = np.clip(found.x, -1.0, 1.0) if found.fun < usual else start
    style = Style(**{n: round(float(v), 3) for n, v in zip(known, best, strict=True)})
    return style, float(min(found.fun, usual) / usual) if usual else 0.0


def _lips(face: Face, coefficients: Floats) -> Floats:
    return np.stack([lip_aperture(face, coefficients), lip_width(face, coefficients)], 1)
