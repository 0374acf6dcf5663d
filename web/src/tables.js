/** Made by scripts/build_web.py from the Python package: change it there. */

/** The version of model.json that is read. */
export const MODEL_VERSION = 4;

/** The shapes of a frame, in their order. */
export const SHAPES = {
  "names": [
    "eyeBlinkLeft",
    "eyeLookDownLeft",
    "eyeLookInLeft",
    "eyeLookOutLeft",
    "eyeLookUpLeft",
    "eyeSquintLeft",
    "eyeWideLeft",
    "eyeBlinkRight",
    "eyeLookDownRight",
    "eyeLookInRight",
    "eyeLookOutRight",
    "eyeLookUpRight",
    "eyeSquintRight",
    "eyeWideRight",
    "jawForward",
    "jawRight",
    "jawLeft",
    "jawOpen",
    "mouthClose",
    "mouthFunnel",
    "mouthPucker",
    "mouthRight",
    "mouthLeft",
    "mouthSmileLeft",
    "mouthSmileRight",
    "mouthFrownLeft",
    "mouthFrownRight",
    "mouthDimpleLeft",
    "mouthDimpleRight",
    "mouthStretchLeft",
    "mouthStretchRight",
    "mouthRollLower",
    "mouthRollUpper",
    "mouthShrugLower",
    "mouthShrugUpper",
    "mouthPressLeft",
    "mouthPressRight",
    "mouthLowerDownLeft",
    "mouthLowerDownRight",
    "mouthUpperUpLeft",
    "mouthUpperUpRight",
    "browDownLeft",
    "browDownRight",
    "browInnerUp",
    "browOuterUpLeft",
    "browOuterUpRight",
    "cheekPuff",
    "cheekSquintLeft",
    "cheekSquintRight",
    "noseSneerLeft",
    "noseSneerRight",
    "tongueOut"
  ],
  "tongueNames": [
    "tongueTipInterdental",
    "tongueTipAlveolar",
    "tongueBackDorsalVelar"
  ]
};

/** CSV of Live Link Face: frames a second, columns behind the weights, radians of an eye at weight 1. */
export const LIVE_LINK = {
  "rate": 60,
  "angles": [
    "HeadYaw",
    "HeadPitch",
    "HeadRoll",
    "LeftEyeYaw",
    "LeftEyePitch",
    "LeftEyeRoll",
    "RightEyeYaw",
    "RightEyePitch",
    "RightEyeRoll"
  ],
  "eyeTurn": 0.5235987755982988
};

/** The VRM expression of a category; disgust has none. @type {any} */
export const VRM = {
  "emotions": {
    "happy": "happy",
    "angry": "angry",
    "sad": "sad",
    "fear": "surprised",
    "surprise": "surprised"
  }
};

/** Colours of the categories: Okabe and Ito's palette. @type {Record<string, string>} */
export const EMOTIONS = {
  "neutral": "#BBBBBB",
  "happy": "#E69F00",
  "sad": "#0072B2",
  "angry": "#D55E00",
  "fear": "#56B4E9",
  "disgust": "#009E73",
  "surprise": "#CC79A7",
  "uncertain": "#FFFFFF"
};
