"""Who a head is: form, colours, hair, brows, age."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Colour = tuple[float, float, float]
HairStyle = Literal["swept", "bob", "bun", "curly", "crop"]


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
class Brows:
    """Brow shape: thickness and length factors, arch factor, and height in centimetres over the usual place."""

    thickness: float = 1.0
    length: float = 1.0
    arch: float = 1.0
    height: float = 0.0


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
