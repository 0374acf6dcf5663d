"""The built-in characters and random ones: form, colours, hair, brows and age."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

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

_PEOPLE = (
    Character(DEFAULT, "a young man with swept brown hair: the head whose shapes are fitted to every other mesh"),
    Character(
        "amara",
        "a woman of about thirty with dark skin, full lips and short black curls",
        identity={
            "masculine": -0.7, "jawWidth": -0.7, "noseWidth": 0.9, "noseBridge": -0.7, "lipFullness": 1.3,
            "mouthWidth": 0.2, "eyeSize": 0.5, "cheekbones": 0.8, "chinLength": -0.3,
            "neckWidth": -0.7, "noseForward": -0.3, "eyeTilt": 0.4, "foreheadHeight": 0.2,
        },
        palette=Palette(
            skin=(0.475, 0.310, 0.225), blush=(0.50, 0.235, 0.185), lip=(0.48, 0.20, 0.20), lip_cover=0.85,
            iris_inner=(0.30, 0.18, 0.10), iris_outer=(0.16, 0.09, 0.05), brow=(0.085, 0.06, 0.05),
            lash=(0.05, 0.04, 0.04), hair=(0.085, 0.065, 0.058), hair_light=(0.25, 0.19, 0.165),
            cloth=(0.78, 0.56, 0.19), lid=(0.36, 0.19, 0.17), lid_cover=0.55,
        ),
        hair="curly",
        brows=Brows(0.85, 1.1, 1.1, -0.12),
        lashes=1.25,
    ),
    Character(
        "walter",
        "a man of about seventy with grey receding hair",
        identity={
            "masculine": 0.8, "age": 1.3, "noseLength": 0.9, "noseForward": 0.6, "lipFullness": -1.0, "faceWidth": 0.3,
            "eyeSize": -0.25, "browHeight": -0.2, "chinForward": 0.2, "philtrum": 0.5, "cheekFullness": 0.2,
            "mouthWidth": 0.3, "foreheadHeight": 0.3, "noseWidth": 0.4,
        },
        resting={"eyeBlink": 0.05, "eyeSquint": -0.06},
        palette=Palette(
            skin=(0.880, 0.680, 0.590), blush=(0.86, 0.47, 0.42), lip=(0.72, 0.43, 0.40), lip_cover=0.50,
            iris_inner=(0.50, 0.56, 0.60), iris_outer=(0.27, 0.38, 0.48), brow=(0.50, 0.48, 0.46),
            lash=(0.36, 0.32, 0.30), hair=(0.58, 0.57, 0.56), hair_light=(0.86, 0.86, 0.86), cloth=(0.36, 0.24, 0.20),
            stubble=0.30, unevenness=2.0,
        ),
        hair="crop",
        brows=Brows(1.35, 0.95, 0.8, -0.05),
        lashes=0.6,
        creases=1.3,
        lines=0.68,
    ),
    Character(
        "mei",
        "a woman of about twenty with a black bob",
        identity={
            "masculine": -1.0, "jawWidth": -0.6, "faceWidth": 0.3, "noseBridge": -0.8, "noseLength": -0.5,
            "noseForward": -0.4, "eyeTilt": 0.7, "chinLength": -0.4, "mouthWidth": -0.4, "lipFullness": 0.4,
            "cheekFullness": 0.35, "neckWidth": -0.9, "eyeSpacing": 0.3, "eyeSize": 0.2,
        },
        palette=Palette(
            skin=(0.905, 0.735, 0.620), blush=(0.90, 0.52, 0.46), lip=(0.78, 0.30, 0.32), lip_cover=0.85,
            iris_inner=(0.34, 0.21, 0.12), iris_outer=(0.17, 0.10, 0.07), brow=(0.14, 0.10, 0.09),
            lash=(0.06, 0.05, 0.05), hair=(0.085, 0.078, 0.085), hair_light=(0.32, 0.33, 0.38),
            cloth=(0.42, 0.55, 0.50), lid=(0.70, 0.45, 0.40), lid_cover=0.35,
        ),
        hair="bob",
        brows=Brows(0.85, 0.95, 0.75, -0.15),
        lashes=1.2,
        creases=0.8,
    ),
    Character(
        "pip",
        "a stylised figure with large eyes and ginger hair",
        identity={
            "masculine": -0.8, "largeEyes": 2.3, "noseLength": -1.0, "noseWidth": -0.4, "noseForward": -0.3,
            "jawWidth": -0.6, "chinLength": -0.9, "mouthWidth": -0.5, "cheekFullness": 1.0, "neckWidth": -0.9,
            "foreheadHeight": 1.0, "eyeSpacing": 0.8, "faceWidth": 0.5, "philtrum": -0.3, "lipFullness": 0.3,
        },
        resting={"eyeSquint": -0.08},
        strength={"browDown": 1.55, "noseSneer": 1.2, "eyeSquint": 1.2},
        palette=Palette(
            skin=(0.955, 0.790, 0.690), blush=(0.96, 0.55, 0.47), lip=(0.85, 0.46, 0.43), lip_cover=0.7,
            iris_inner=(0.52, 0.70, 0.42), iris_outer=(0.16, 0.42, 0.30), brow=(0.55, 0.27, 0.12),
            lash=(0.22, 0.11, 0.07), hair=(0.67, 0.31, 0.11), hair_light=(0.95, 0.60, 0.30),
            cloth=(0.26, 0.42, 0.62), unevenness=0.3,
        ),
        hair="curly",
        brows=Brows(1.2, 0.85, 0.9, -0.28),
        lashes=1.3,
        creases=0.0,
        iris=1.25,
    ),
)  # fmt: skip
KNOWN: dict[str, Character] = {c.name: c for c in _PEOPLE}
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
