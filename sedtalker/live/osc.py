"""VMC, and VRChat over OSC: the messages of a frame, several in a packet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder

from sedtalker.animation.animation_stream import StreamedFrame
from sedtalker.animation.articulation import ALVEOLAR
from sedtalker.errors import InputError, one_of
from sedtalker.export.vrm import BODY, preset_expressions
from sedtalker.face.arkit import ARKIT_52, INDEX
from sedtalker.live.senders import Target, UdpSocket, eye_angles, left_handed, with_still_head
from sedtalker.reading import read_own_table

PORT = 39539
"""On which a VMC "marionette" receives."""
LARGEST = 1400
"""Bytes of a packet, so that none is torn apart on its way."""
VRM_0 = {
    "aa": "A", "ih": "I", "ou": "U", "ee": "E", "oh": "O", "blinkLeft": "Blink_L", "blinkRight": "Blink_R",
    "happy": "Joy", "angry": "Angry", "sad": "Sorrow", "surprised": "Surprised",
}  # fmt: skip
"""Names of VRM 0 for those of VRM 1; surprise is no preset there, many avatars have it all the same."""
NAMINGS = ("arkit", "pascal", "vrm0", "vrm1")
"""What ``names`` takes: jawOpen, JawOpen, or the expressions of VRM."""


def osc_message(address: str, *values: float | str | bool) -> OscMessage:
    """An OSC message; numbers are sent as 32-bit floats, ``int`` as integers."""
    builder = OscMessageBuilder(address)
    for value in values:
        builder.add_arg(value, builder.ARG_TYPE_FLOAT if isinstance(value, float) else None)
    return builder.build()


def osc_packets(messages: Iterable[OscMessage]) -> Iterator[bytes]:
    """Bundles of the messages in order, none longer than ``LARGEST``."""
    builder, size = OscBundleBuilder(IMMEDIATELY), 16
    for message in messages:
        if size + message.size + 4 > LARGEST and size > 16:
            yield builder.build().dgram
            builder, size = OscBundleBuilder(IMMEDIATELY), 16
        builder.add_content(message)
        size += message.size + 4
    yield builder.build().dgram


def vrm_expressions(frame: StreamedFrame) -> dict[str, float]:
    """The face as preset expressions of VRM, see ``preset_expressions``."""
    found = preset_expressions(frame.weights[None], {frame.emotion: np.array([frame.intensity])})
    return {name: float(value[0]) for name, value in found.items()}


def named_weights(frame: StreamedFrame, names: str) -> Mapping[str, float]:
    """Values of the face under the names of a naming, see ``NAMINGS``."""
    if names.startswith("vrm"):
        found = vrm_expressions(frame)
        return found if names == "vrm1" else {VRM_0[name]: value for name, value in found.items()}
    pascal = names == "pascal"
    return {
        name[0].upper() + name[1:] if pascal else name: float(value)
        for name, value in zip(ARKIT_52, frame.weights, strict=True)
    }


class VmcSender:
    """Sends to a VMC receiver; options are ``names``, see ``NAMINGS``, and whether the ``head`` is sent.

    Raises:
        InputError: no such host or naming.
    """

    def __init__(self, target: Target, fps: float):
        self.names, self.head = target.options.get("names", "arkit"), target.yes("head", True)
        if self.names not in NAMINGS:
            raise InputError(f"vmc names={self.names}: {one_of(self.names, NAMINGS)}")
        self.socket = UdpSocket(target.host, target.port_or(PORT), "vmc")

    def send(self, frame: StreamedFrame) -> None:
        for packet in osc_packets(self.messages(frame)):
            self.socket.send(packet)

    def messages(self, frame: StreamedFrame) -> Iterator[OscMessage]:
        yield osc_message("/VMC/Ext/OK", 1)
        yield osc_message("/VMC/Ext/T", float(frame.time))
        if self.head:
            # The place in the neck is a usual one: receivers that move bones to it would sink a head at 0.
            yield osc_message("/VMC/Ext/Bone/Pos", "Head", *BODY["head"][1], *left_handed(frame))
        else:
            frame = with_still_head(frame)
        for name, value in named_weights(frame, self.names).items():
            yield osc_message("/VMC/Ext/Blend/Val", name, value)
        yield osc_message("/VMC/Ext/Blend/Apply")

    def close(self) -> None:
        self.socket.close()


_HELD = read_own_table(__file__, "vrchat.toml")
"""The tables as they are written."""
SINGLE: dict[str, str] = _HELD["single"]
"""Parameter and the shape that it is."""
SIDED: dict[str, str] = _HELD["sided"]
"""Parameters with a left, a right and a middle value."""
LID_OPEN = 0.75
"""Value of an open lid; 1 is wide open."""
EYE_RANGE = 45.0
"""Degrees of gaze at 1."""
FLAGS = ("EyeTrackingActive", "ExpressionTrackingActive", "LipTrackingActive")
"""Switches of an avatar's face tracking."""


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
    """Sends to VRChat; the option ``prefix`` is of an avatar that keeps its parameters in a group, as ``FT``."""

    def __init__(self, target: Target, fps: float):
        self.socket, self.number = UdpSocket(target.host, target.port_or(9000), "vrchat"), 0
        prefix = target.options.get("prefix", "").strip("/")
        self.root = f"/avatar/parameters/{prefix}/" if prefix else "/avatar/parameters/"

    def send(self, frame: StreamedFrame) -> None:
        for packet in osc_packets(self.messages(frame)):
            self.socket.send(packet)
        self.number += 1

    def messages(self, frame: StreamedFrame) -> Iterator[OscMessage]:
        frame = with_still_head(frame)
        if self.number % 60 == 0:  # a reminder a second
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
