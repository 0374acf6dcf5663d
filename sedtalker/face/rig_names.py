"""The shapes of other rigs as poses of ARKit's 52: names for ``--map``, as they stand in those rigs' own files."""

from __future__ import annotations

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
"""What ``--map`` takes by name."""
