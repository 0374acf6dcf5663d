"""Shapes under the names of other rigs, in and out: each is a pose of ARKit's 52, and the rest is linear algebra."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sedtalker.arrays import Floats
from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52, INDEX
from sedtalker.mesh.mesh import Scene
from sedtalker.reading import is_file, read_json

SWEEPS = 24
"""Rounds of coordinate descent; maps of one name for one shape are solved before the first."""
MISSED = 0.05
"""Share of a shape that a rig's combination may miss and still represent it."""


@dataclass(frozen=True, eq=False)
class ShapeMap:
    """Names of a rig's shapes, and what they are.

    Attributes:
        name: of the rig, for messages.
        names: (N,) of its shapes.
        poses: (N, 52) ARKit weights that show each at weight 1.
    """

    name: str
    names: tuple[str, ...]
    poses: NDArray[np.float64]

    def to_arkit(self, weights: NDArray[np.floating]) -> Floats:
        """ARKit weights (T, 52) in [0, 1] of the rig's weights (T, N)."""
        return np.clip(np.asarray(weights, dtype=np.float64) @ self.poses, 0.0, 1.0).astype(np.float32)

    def from_arkit(self, weights: NDArray[np.floating]) -> Floats:
        """The rig's weights (T, N) in [0, 1] that come nearest to ARKit weights (T, 52), by least squares.

        Where several shapes are as good, as the four parts of a pucker, each takes the same share.
        """
        wanted = np.asarray(weights, dtype=np.float64)
        found = np.clip(wanted @ self._inverse, 0.0, 1.0)
        gram, pull = self.poses @ self.poses.T, wanted @ self.poses.T
        size = np.diag(gram)
        for _ in range(SWEEPS):
            for k in np.flatnonzero(size > 0.0):
                rest = pull[:, k] - found @ gram[:, k] + size[k] * found[:, k]
                found[:, k] = np.clip(rest / size[k], 0.0, 1.0)
        return found.astype(np.float32)

    @cached_property
    def _inverse(self) -> NDArray[np.float64]:
        """(52, N) the rig's weights of each ARKit shape: the smallest of those that come nearest."""
        return np.asarray(np.linalg.pinv(self.poses, rcond=1e-6), dtype=np.float64)

    def renamed(self, scene: Scene) -> Scene:
        """A file whose morph targets have ARKit's names: those that the rig's shapes make up.

        Targets that are in no shape keep their names.

        Raises:
            InputError: none of the map's names is there, or what is there makes up no shape.
        """
        lower = {name.lower(): k for k, name in enumerate(self.names)}
        columns = [lower.get(name.lower(), -1) for name in scene.target_names]
        here = [i for i, k in enumerate(columns) if k >= 0]
        if not here:
            some = ", ".join(scene.target_names[:4]) or "none"
            raise InputError(
                f"--map {self.name}: none of its names is a blend shape of the mesh, which has {some}: check the map"
            )
        poses = self.poses[[columns[i] for i in here]]
        shares = np.linalg.pinv(poses, rcond=1e-6)
        missed = np.linalg.norm(shares @ poses - np.eye(len(ARKIT_52)), axis=1)
        shapes = [k for k in range(len(ARKIT_52)) if missed[k] < MISSED]
        if not shapes:
            raise InputError(
                f"--map {self.name}: its shapes are mixtures, such as visemes, of which no ARKit shape can be made: "
                "leave --map out, and the shapes are fitted"
            )
        offsets = np.tensordot(shares[shapes].astype(np.float32), scene.targets[here], axes=1)
        kept = [i for i in range(len(columns)) if columns[i] < 0]
        return Scene(
            scene.mesh,
            (*(ARKIT_52[k] for k in shapes), *(scene.target_names[i] for i in kept)),
            np.concatenate([offsets, scene.targets[kept]]).astype(np.float32),
            scene.shown,
        )


# --- Names for ``--map``, as they stand in other rigs' own files.

Poses = dict[str, dict[str, float]]
"""Weights of ARKit shapes that show a rig's shape at weight 1, by the rig's name."""


def _pairs(table: str, left: str, right: str) -> Poses:
    """``Mouth_Smile=mouthSmile …`` with both sides: ``Mouth_Smile`` + ``left`` is ``mouthSmileLeft``."""
    found: Poses = {}
    for entry in table.split():
        name, shape = entry.split("=")
        found[name + left], found[name + right] = {shape + "Left": 1.0}, {shape + "Right": 1.0}
    return found


def _single(table: str) -> Poses:
    """``Jaw_Open=jawOpen …``, each the same shape under another name."""
    return {name: {shape: 1.0} for name, shape in (entry.split("=") for entry in table.split())}


def _shares(names: str, shape: str) -> Poses:
    """Names of parts that together are one shape."""
    parts = names.split()
    return {name: {shape: 1.0 / len(parts)} for name in parts}


def _both(**weights: float) -> dict[str, float]:
    """Weights of ARKit's shapes, ``mouthSmile=0.5`` on both sides."""
    whole = {"jawOpen", "jawForward", "mouthClose", "mouthFunnel", "mouthPucker", "mouthRollLower", "mouthRollUpper"}
    whole |= {"mouthShrugLower", "mouthShrugUpper", "browInnerUp", "cheekPuff", "tongueOut"}
    found = {}
    for name, weight in weights.items():
        for side in ("",) if name in whole else ("Left", "Right"):
            found[name + side] = weight
    return found


REALLUSION: Poses = {
    **_pairs(
        "Brow_Drop=browDown Brow_Raise_Outer=browOuterUp Eye_Blink=eyeBlink Eye_Squint=eyeSquint Eye_Wide=eyeWide "
        "Nose_Sneer=noseSneer Cheek_Raise=cheekSquint Mouth_Smile=mouthSmile Mouth_Frown=mouthFrown "
        "Mouth_Stretch=mouthStretch Mouth_Dimple=mouthDimple Mouth_Press=mouthPress Mouth_Up_Upper=mouthUpperUp "
        "Mouth_Down_Lower=mouthLowerDown Mouth=mouth Jaw=jaw",
        "_L",
        "_R",
    ),
    **_single(
        "Eye_L_Look_L=eyeLookOutLeft Eye_L_Look_R=eyeLookInLeft Eye_R_Look_L=eyeLookInRight "
        "Eye_R_Look_R=eyeLookOutRight Eye_L_Look_Up=eyeLookUpLeft Eye_R_Look_Up=eyeLookUpRight "
        "Eye_L_Look_Down=eyeLookDownLeft Eye_R_Look_Down=eyeLookDownRight Jaw_Open=jawOpen Jaw_Forward=jawForward "
        "Mouth_Close=mouthClose Mouth_Shrug_Upper=mouthShrugUpper Mouth_Shrug_Lower=mouthShrugLower "
        "Tongue_Out=tongueOut"
    ),
    **_shares("Brow_Raise_Inner_L Brow_Raise_Inner_R", "browInnerUp"),
    **_shares("Cheek_Puff_L Cheek_Puff_R", "cheekPuff"),
    **_shares("Mouth_Roll_In_Upper_L Mouth_Roll_In_Upper_R", "mouthRollUpper"),
    **_shares("Mouth_Roll_In_Lower_L Mouth_Roll_In_Lower_R", "mouthRollLower"),
    **_shares("Mouth_Pucker_Up_L Mouth_Pucker_Up_R Mouth_Pucker_Down_L Mouth_Pucker_Down_R", "mouthPucker"),
    **_shares("Mouth_Funnel_Up_L Mouth_Funnel_Up_R Mouth_Funnel_Down_L Mouth_Funnel_Down_R", "mouthFunnel"),
}
"""Character Creator 4 of Reallusion, the extended facial profile."""

_CONTROLS: Poses = {
    **_pairs(
        "browDown=browDown browRaiseOuter=browOuterUp eyeBlink=eyeBlink eyeSquintInner=eyeSquint eyeWiden=eyeWide "
        "eyeLookUp=eyeLookUp eyeLookDown=eyeLookDown eyeCheekRaise=cheekSquint noseWrinkle=noseSneer "
        "mouthCornerPull=mouthSmile mouthCornerDepress=mouthFrown mouthStretch=mouthStretch mouthDimple=mouthDimple "
        "mouthUpperLipRaise=mouthUpperUp mouthLowerLipDepress=mouthLowerDown",
        "L",
        "R",
    ),
    **_single(
        "eyeLookLeftL=eyeLookOutLeft eyeLookRightL=eyeLookInLeft eyeLookLeftR=eyeLookInRight "
        "eyeLookRightR=eyeLookOutRight jawOpen=jawOpen jawFwd=jawForward jawLeft=jawLeft jawRight=jawRight "
        "mouthLeft=mouthLeft mouthRight=mouthRight tongueOut=tongueOut"
    ),
    **_shares("browRaiseInL browRaiseInR", "browInnerUp"),
    **_shares("mouthCheekBlowL mouthCheekBlowR", "cheekPuff"),
    **_shares("mouthFunnelUL mouthFunnelUR mouthFunnelDL mouthFunnelDR", "mouthFunnel"),
    **_shares("mouthLipsPurseUL mouthLipsPurseUR mouthLipsPurseDL mouthLipsPurseDR", "mouthPucker"),
    **_shares("mouthLipsTogetherUL mouthLipsTogetherUR mouthLipsTogetherDL mouthLipsTogetherDR", "mouthClose"),
    **_shares("mouthUpperLipRollInL mouthUpperLipRollInR", "mouthRollUpper"),
    **_shares("mouthLowerLipRollInL mouthLowerLipRollInR", "mouthRollLower"),
    **_shares("jawChinRaiseUL jawChinRaiseUR", "mouthShrugUpper"),
    **_shares("jawChinRaiseDL jawChinRaiseDR", "mouthShrugLower"),
    **_pairs("mouthPressU=mouthPress", "L", "R"),
}
"""Controls of a MetaHuman-like rig, without the word that all of them begin with."""
METAHUMAN = {f"CTRL_expressions_{name}": pose for name, pose in _CONTROLS.items()}
"""Curves of a MetaHuman-like rig: names of the controls, each as the ARKit shape nearest to it."""

OCULUS: Poses = {
    "viseme_sil": {},
    "viseme_PP": _both(mouthPress=0.6, mouthRollLower=0.3, mouthRollUpper=0.2),
    "viseme_FF": _both(jawOpen=0.08, mouthRollLower=0.6, mouthUpperUp=0.25),
    "viseme_TH": _both(jawOpen=0.15, tongueOut=0.4, mouthLowerDown=0.2),
    "viseme_DD": _both(jawOpen=0.15, mouthLowerDown=0.25, mouthUpperUp=0.15),
    "viseme_kk": _both(jawOpen=0.2, mouthStretch=0.15, mouthLowerDown=0.2),
    "viseme_CH": _both(jawOpen=0.1, mouthFunnel=0.6, mouthShrugUpper=0.2),
    "viseme_SS": _both(jawOpen=0.04, mouthStretch=0.35, mouthLowerDown=0.3),
    "viseme_nn": _both(jawOpen=0.12, mouthLowerDown=0.15, mouthSmile=0.1),
    "viseme_RR": _both(jawOpen=0.12, mouthFunnel=0.35, mouthPucker=0.15),
    "viseme_aa": _both(jawOpen=0.65, mouthLowerDown=0.25, mouthUpperUp=0.15),
    "viseme_E": _both(jawOpen=0.3, mouthStretch=0.3, mouthSmile=0.2, mouthLowerDown=0.3),
    "viseme_I": _both(jawOpen=0.15, mouthSmile=0.35, mouthStretch=0.3, mouthLowerDown=0.25),
    "viseme_O": _both(jawOpen=0.4, mouthFunnel=0.65),
    "viseme_U": _both(jawOpen=0.12, mouthPucker=0.8, mouthFunnel=0.2),
}
"""The fifteen visemes of Oculus LipSync, with the names that avatars give them; their poses are our choice."""

VRM: Poses = {
    "aa": _both(jawOpen=0.65, mouthLowerDown=0.25, mouthUpperUp=0.15),
    "ih": _both(jawOpen=0.15, mouthSmile=0.35, mouthStretch=0.3, mouthLowerDown=0.25),
    "ou": _both(jawOpen=0.12, mouthPucker=0.8, mouthFunnel=0.2),
    "ee": _both(jawOpen=0.3, mouthStretch=0.3, mouthSmile=0.2, mouthLowerDown=0.3),
    "oh": _both(jawOpen=0.4, mouthFunnel=0.65),
    "blinkLeft": {"eyeBlinkLeft": 1.0},
    "blinkRight": {"eyeBlinkRight": 1.0},
    "lookUp": _both(eyeLookUp=1.0),
    "lookDown": _both(eyeLookDown=1.0),
    "lookLeft": {"eyeLookOutLeft": 1.0, "eyeLookInRight": 1.0},
    "lookRight": {"eyeLookInLeft": 1.0, "eyeLookOutRight": 1.0},
    "happy": _both(mouthSmile=0.8, cheekSquint=0.6, eyeSquint=0.3),
    "angry": _both(browDown=0.9, noseSneer=0.4, mouthFrown=0.4, mouthPress=0.3),
    "sad": _both(browInnerUp=0.8, mouthFrown=0.7, mouthShrugLower=0.3),
    "surprised": _both(browInnerUp=0.8, browOuterUp=0.8, eyeWide=0.7, jawOpen=0.3),
}
"""The expressions of VRM 1; vowels and emotions are poses of our choice."""

PRESETS: dict[str, Poses] = {"metahuman": METAHUMAN, "oculus": OCULUS, "reallusion": REALLUSION, "vrm": VRM}
"""Maps that ``--map`` takes by name."""


MOST = 400
"""Names of a map, at most."""
STRONGEST = 3.0
"""Largest weight of an ARKit shape in a pose."""


def read_shape_map(given: str | Path) -> ShapeMap:
    """The map that ``--map`` names: a preset, or a JSON file of ``{"rig name": "jawOpen"}`` or
    ``{"rig name": {"jawOpen": 0.6, "mouthFunnel": 0.4}}``.

    Raises:
        InputError: no such preset or file, or it does not fit that.
    """
    word = str(given)
    if word.lower() in PRESETS:
        return _made(word.lower(), PRESETS[word.lower()])
    path = Path(given)
    if path.suffix.lower() != ".json":
        raise InputError(f"--map {word}: give {', '.join(PRESETS)} or a .json file of names")
    if not is_file(path):
        raise InputError(f"{path}: no such map of names")
    held = read_json(path, "a map of names")
    if not isinstance(held, dict) or not held or len(held) > MOST:
        raise InputError(f'{path}: a map of names is {{"name in the rig": "jawOpen", …}}, of at most {MOST} names')
    return _made(path.name, {name: _pose(path, name, value) for name, value in held.items()})


def _made(name: str, poses: dict[str, dict[str, float]]) -> ShapeMap:
    matrix = np.zeros((len(poses), len(ARKIT_52)))
    for row, pose in enumerate(poses.values()):
        for shape, weight in pose.items():
            matrix[row, INDEX[shape]] = weight
    return ShapeMap(name, tuple(poses), matrix)


def _pose(path: Path, name: str, value: Any) -> dict[str, float]:
    """One entry of a file, checked."""
    pose = {value: 1.0} if isinstance(value, str) else value
    if not isinstance(pose, dict):
        raise InputError(f"{path}: {name}: give the name of an ARKit shape, or an object of their weights")
    for shape, weight in pose.items():
        if shape not in INDEX:
            raise InputError(f"{path}: {name}: there is no ARKit shape '{shape}'")
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0.0 <= weight <= STRONGEST:
            raise InputError(f"{path}: {name}: the weight of {shape} lies between 0 and {STRONGEST:g}")
    return {shape: float(weight) for shape, weight in pose.items()}
