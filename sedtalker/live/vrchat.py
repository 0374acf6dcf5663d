"""VRChat: the parameters of VRCFaceTracking's Unified Expressions over OSC, and the eyes.

An avatar takes the parameters that it has and ignores the rest, so both the single shapes and the usual sums of them
are sent. See https://docs.vrcft.io (parameters, version 2) and https://docs.vrchat.com/docs/osc-eye-tracking.
"""

from __future__ import annotations

from collections.abc import Iterator

from pythonosc.osc_message import OscMessage

from sedtalker.animation.stream import StreamedFrame
from sedtalker.animation.tongue import ALVEOLAR
from sedtalker.face.arkit import INDEX
from sedtalker.live.senders import Target, UdpSocket, eye_angles
from sedtalker.live.vmc import osc_message, osc_packets

PORT = 9000
"""On which VRChat receives."""
SINGLE = {
    "JawOpen": "jawOpen", "JawForward": "jawForward", "JawLeft": "jawLeft", "JawRight": "jawRight",
    "MouthClosed": "mouthClose", "MouthRaiserUpper": "mouthShrugUpper", "MouthRaiserLower": "mouthShrugLower",
    "LipFunnel": "mouthFunnel", "LipPucker": "mouthPucker", "LipSuckUpper": "mouthRollUpper",
    "LipSuckLower": "mouthRollLower", "CheekPuffSuck": "cheekPuff", "TongueOut": "tongueOut",
    "BrowInnerUp": "browInnerUp",
}  # fmt: skip
"""Parameter and the shape that it is."""
SIDED = {
    "MouthSmile": "mouthSmile", "MouthFrown": "mouthFrown", "MouthStretch": "mouthStretch",
    "MouthDimple": "mouthDimple", "MouthPress": "mouthPress", "MouthUpperUp": "mouthUpperUp",
    "MouthLowerDown": "mouthLowerDown", "CheekSquint": "cheekSquint", "NoseSneer": "noseSneer",
    "EyeSquint": "eyeSquint", "EyeWide": "eyeWide", "BrowDown": "browDown", "BrowLowerer": "browDown",
    "BrowOuterUp": "browOuterUp",
}  # fmt: skip
"""Parameters with a left, a right and a middle value."""
LID_OPEN = 0.75
"""Value of an open lid; 1 is wide open."""
EYE_RANGE = 45.0
"""Degrees of gaze at 1."""
FLAGS = ("EyeTrackingActive", "ExpressionTrackingActive", "LipTrackingActive")
"""Switches of an avatar's face tracking."""
FLAGS_EVERY = 60
"""Frames between two reminders of them."""


def unified_parameters(frame: StreamedFrame) -> dict[str, float]:
    """Values of the ``v2/…`` parameters."""
    weight = {name: float(frame.weights[i]) for name, i in INDEX.items()}
    found = {name: weight[shape] for name, shape in SINGLE.items()}
    for name, shape in SIDED.items():
        left, right = weight[shape + "Left"], weight[shape + "Right"]
        found |= {f"{name}Left": left, f"{name}Right": right, name: 0.5 * (left + right)}
    found |= dict.fromkeys(("TongueUp", "TongueY"), float(frame.tongue[ALVEOLAR]))
    found["JawX"] = weight["jawRight"] - weight["jawLeft"]
    found["MouthX"] = weight["mouthRight"] - weight["mouthLeft"]
    for side in ("Left", "Right"):
        smile, frown, stretch = (found[f"Mouth{kind}{side}"] for kind in ("Smile", "Frown", "Stretch"))
        found[f"SmileFrown{side}"] = smile - frown
        found[f"SmileSad{side}"] = smile - max(frown, stretch)
        found[f"BrowInnerUp{side}"] = weight["browInnerUp"]
        raised = max(weight["browInnerUp"], weight[f"browOuterUp{side}"])
        found[f"BrowExpression{side}"] = raised - weight[f"browDown{side}"]
        lid = LID_OPEN * (1.0 - weight[f"eyeBlink{side}"]) + (1.0 - LID_OPEN) * weight[f"eyeWide{side}"]
        found[f"EyeLid{side}"] = lid
    for name in ("SmileFrown", "SmileSad", "BrowExpression", "EyeLid"):
        found[name] = 0.5 * (found[f"{name}Left"] + found[f"{name}Right"])
    left_eye, right_eye = eye_angles(frame)
    found |= {"EyeLeftX": -left_eye.yaw / EYE_RANGE, "EyeRightX": -right_eye.yaw / EYE_RANGE}
    found["EyeX"] = 0.5 * (found["EyeLeftX"] + found["EyeRightX"])
    found["EyeY"] = -0.5 * (left_eye.pitch + right_eye.pitch) / EYE_RANGE
    return found


class VrchatSender:
    """Sends to VRChat.

    Args:
        host: where it runs.
        port: on which it receives.
        prefix: of the parameters of an avatar that keeps them in a group, as ``FT``.
    """

    def __init__(self, host: str, port: int = PORT, prefix: str = ""):
        self.socket, self.number = UdpSocket(host, port, "vrchat"), 0
        self.root = "/avatar/parameters/" + (prefix.strip("/") + "/" if prefix.strip("/") else "")

    def send(self, frame: StreamedFrame) -> None:
        """See ``Sender``."""
        for packet in osc_packets(self.messages(frame)):
            self.socket.send(packet)
        self.number += 1

    def messages(self, frame: StreamedFrame) -> Iterator[OscMessage]:
        """What is said of a frame."""
        if self.number % FLAGS_EVERY == 0:
            for name in FLAGS:
                yield osc_message(f"/avatar/parameters/{name}", True)
        for name, value in unified_parameters(frame).items():
            yield osc_message(f"{self.root}v2/{name}", value)
        left, right = eye_angles(frame)
        yield osc_message("/tracking/eye/LeftRightPitchYaw", left.pitch, -left.yaw, right.pitch, -right.yaw)
        closed = 0.5 * float(frame.weights[INDEX["eyeBlinkLeft"]] + frame.weights[INDEX["eyeBlinkRight"]])
        yield osc_message("/tracking/eye/EyesClosedAmount", closed)

    def close(self) -> None:
        """See ``Sender``: VRChat's own blinks and gaze come back."""
        for packet in osc_packets(osc_message(f"/avatar/parameters/{name}", False) for name in FLAGS):
            self.socket.send(packet)
        self.socket.close()


def open_vrchat(target: Target, fps: float) -> VrchatSender:
    """See ``LiveProtocol``."""
    return VrchatSender(target.host, target.port_or(PORT), target.options.get("prefix", ""))
