"""The built-in characters and random ones: form, colours, hair, brows and age."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from sedtalker.reading import read_own_table

Colour = tuple[float, float, float]
HairStyle = Literal["swept", "bob", "bun", "curly", "crop"]


@dataclass(frozen=True)
class Brows:
    """Brow shape: thickness and length factors, arch factor, and height in centimetres over the usual place."""

    thickness: float = 1.0
    length: float = 1.0
    arch: float = 1.0
    height: float = 0.0


@dataclass(frozen=True)
class Palette:
    """Colours of a head, sRGB in [0, 1].

    Attributes:
        skin, blush, lip: blush tints cheeks, nose tip and ears.
        lip_cover: how far the lips take the lip colour.
        iris_inner, iris_outer: round the pupil and at the rim.
        brow, lash, hair, hair_light: ``hair_light`` is the sheen of the locks.
        cloth: the collar.
        lid: colour on the upper lids; lid_cover: how much of it.
        stubble: how dark a shaven beard shows, 0 to 1.
        unevenness: how much the skin's tone varies from place to place.
    """

    skin: Colour = (0.900, 0.715, 0.625)
    blush: Colour = (0.88, 0.52, 0.47)
    lip: Colour = (0.77, 0.42, 0.41)
    lip_cover: float = 0.72
    iris_inner: Colour = (0.52, 0.47, 0.33)
    iris_outer: Colour = (0.27, 0.42, 0.44)
    brow: Colour = (0.30, 0.20, 0.135)
    lash: Colour = (0.17, 0.11, 0.09)
    hair: Colour = (0.345, 0.215, 0.135)
    hair_light: Colour = (0.56, 0.37, 0.23)
    cloth: Colour = (0.20, 0.26, 0.33)
    lid: Colour = (0.60, 0.42, 0.38)
    lid_cover: float = 0.0
    stubble: float = 0.0
    unevenness: float = 1.0


@dataclass(frozen=True)
class Character:
    """A head of this model.

    Attributes:
        name: what ``--face`` calls it.
        about: one line that says who it is.
        identity: weights of the identity directions.
        resting: expressions that the neutral face keeps, by ARKit name without side.
        strength: factors on shapes that this head would show too mildly, by ARKit name without side.
        palette: colours.
        hair: hair style.
        brows: brow shape.
        lashes: length factor of the lashes.
        creases: depth factor of the wrinkles that come with expressions.
        lines: share of those wrinkles that stays at rest.
        iris: size of iris and pupil relative to life.
    """

    name: str
    about: str
    identity: Mapping[str, float] = field(default_factory=dict)
    resting: Mapping[str, float] = field(default_factory=dict)
    strength: Mapping[str, float] = field(default_factory=dict)
    palette: Palette = field(default_factory=Palette)
    hair: HairStyle = "swept"
    brows: Brows = field(default_factory=Brows)
    lashes: float = 1.0
    creases: float = 1.0
    lines: float = 0.0
    iris: float = 1.0


# --- The built-in characters, and random ones.

DEFAULT = "builtin"
"""Name of the face that is used where none is asked for."""


def read_character(name: str, row: Mapping[str, Any]) -> Character:
    """A character from its table in ``characters.toml``."""
    palette: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in row.get("palette", {}).items()
    }
    return Character(name, **{**row, "palette": Palette(**palette), "brows": Brows(**row.get("brows", {}))})


KNOWN = {name: read_character(name, row) for name, row in read_own_table(__file__, "characters.toml").items()}
"""Characters by name; the first is the default."""

_SKINS = (
    ((0.915, 0.745, 0.660), (0.90, 0.53, 0.48), (0.78, 0.44, 0.43)),
    ((0.890, 0.700, 0.600), (0.87, 0.50, 0.44), (0.75, 0.41, 0.39)),
    ((0.790, 0.590, 0.470), (0.78, 0.42, 0.35), (0.67, 0.36, 0.33)),
    ((0.650, 0.450, 0.335), (0.65, 0.33, 0.26), (0.57, 0.30, 0.27)),
    ((0.475, 0.310, 0.225), (0.50, 0.235, 0.185), (0.46, 0.22, 0.21)),
)
"""Skin, blush and lips from light to dark."""
_HAIRS = (
    ((0.085, 0.075, 0.075), (0.30, 0.28, 0.28)), ((0.20, 0.13, 0.09), (0.42, 0.28, 0.19)),
    ((0.345, 0.215, 0.135), (0.56, 0.37, 0.23)), ((0.66, 0.49, 0.28), (0.90, 0.76, 0.52)),
    ((0.58, 0.28, 0.11), (0.86, 0.52, 0.27)), ((0.58, 0.57, 0.56), (0.86, 0.86, 0.86)),
)  # fmt: skip
"""Hair and its sheen: black, dark, brown, blond, ginger, grey."""
_IRISES = (((0.34, 0.21, 0.12), (0.17, 0.10, 0.07)), ((0.52, 0.47, 0.33), (0.27, 0.42, 0.44)),
           ((0.50, 0.56, 0.60), (0.27, 0.38, 0.48)), ((0.48, 0.50, 0.28), (0.25, 0.34, 0.20)))  # fmt: skip
_CLOTHES = ((0.20, 0.26, 0.33), (0.36, 0.24, 0.20), (0.42, 0.55, 0.50), (0.62, 0.30, 0.28), (0.75, 0.72, 0.66))
"""Colours of the collar."""
_SPREAD = 0.62
"""Standard deviation of the random identity weights."""


def random_character(seed: int, directions: tuple[str, ...]) -> Character:
    """A character drawn from one seed: identity, age, skin, hair and brows that may go together."""
    rng = np.random.default_rng(seed)
    identity = {name: float(np.clip(rng.normal(0, _SPREAD), -1.3, 1.3)) for name in directions}
    woman, years = bool(rng.uniform() < 0.5), float(rng.uniform(18, 75))
    identity["masculine"] = float(rng.normal(-0.7 if woman else 0.5, 0.25))
    identity["neckWidth"] = float(rng.normal(-0.6 if woman else 0.2, 0.25))
    identity["age"] = max(0.0, (years - 38) / 30)
    tone = int(rng.integers(len(_SKINS)))
    dark = tone >= 3
    hair = 5 if years > 62 else int(rng.integers(2 if dark else 5))
    styles: tuple[HairStyle, ...] = (
        ("bob", "bob" if years > 50 else "bun", "curly") if woman else ("swept", "crop", "curly")
    )
    style = styles[int(rng.integers(3))]
    skin, blush, lip = _SKINS[tone]
    inner, outer = _IRISES[0 if dark else int(rng.integers(len(_IRISES)))]
    brow = tuple(float(0.85 * c) for c in _HAIRS[min(hair, 2) if hair < 5 else 5][0])
    palette = Palette(
        skin=skin, blush=blush, lip=lip, lip_cover=0.8 if woman else 0.6, iris_inner=inner, iris_outer=outer,
        brow=(brow[0], brow[1], brow[2]), hair=_HAIRS[hair][0], hair_light=_HAIRS[hair][1],
        cloth=_CLOTHES[int(rng.integers(len(_CLOTHES)))],
        stubble=0.0 if woman else float(rng.choice([0.0, 0.3, 0.6])),
        unevenness=1 + identity["age"],
    )  # fmt: skip
    brows = Brows(
        float(rng.uniform(0.75, 0.95) if woman else rng.uniform(0.95, 1.3)), 1.0, float(rng.uniform(0.8, 1.1))
    )
    return Character(
        f"random-{seed}", f"a random person drawn from seed {seed}", identity, {"eyeBlink": 0.08 * identity["age"]}, {},
        palette, style, brows, 1.15 if woman else 0.9, 0.8 + 0.5 * identity["age"],
        0.65 if identity["age"] > 0.6 else 0.0,
    )  # fmt: skip
