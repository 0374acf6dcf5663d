"""Unreal's Live Link Face: one UDP packet a frame, as the iPhone app sends them.

Big-endian but for the version: ``<I`` 6; an identifier of 37 characters that begins with ``$``; ``!i`` length of the
subject's name and the name; ``!I`` frame number, ``!f`` sub-frame; ``!II`` frames a second as a fraction; ``!B`` 61 and
61 floats: the shapes in the order of Unreal's ``EARFaceBlendShape``, then yaw, pitch and roll of the head and of both
eyes.
"""

from __future__ import annotations

import struct
import uuid
from fractions import Fraction

import numpy as np

from sedtalker.animation.animation_stream import StreamedFrame
from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52, INDEX
from sedtalker.live.senders import Target, UdpSocket, eye_angles, head_angles

PORT = 11111
"""On which Unreal receives."""
SWAPPED = {"jawRight": "jawLeft", "jawLeft": "jawRight", "mouthRight": "mouthLeft", "mouthLeft": "mouthRight"}
"""Where Unreal's order has the other side first."""
ORDER = [INDEX[SWAPPED.get(name, name)] for name in ARKIT_52]
"""Indices of the shapes in the order of ``EARFaceBlendShape``."""


def livelink_packet(frame: StreamedFrame, number: int, subject: str, identifier: str, fps: float = 60.0) -> bytes:
    """The packet of a frame.

    Args:
        subject: name that Unreal lists.
        identifier: of the device, 37 characters.
        fps: frames a second.
    """
    name = subject.encode("utf-8")
    angles = np.array([head_angles(frame), *eye_angles(frame)])[:, [1, 0, 2]]  # as Unreal's rotators have them:
    turned = np.radians(angles * (-1.0, -1.0, 1.0))  # yaw to the right, pitch up and roll to the right
    values = np.concatenate([np.clip(frame.weights, 0.0, 1.0)[ORDER], turned.ravel()])
    head = struct.pack("<I", 6) + identifier.encode("ascii") + struct.pack("!i", len(name)) + name  # the version
    rate = Fraction(fps).limit_denominator(1001).as_integer_ratio()
    return head + struct.pack("!IfII", number & 0xFFFFFFFF, 0.0, *rate) + struct.pack("!B61f", 61, *values)


class LiveLinkSender:
    """Sends to an Unreal editor or game; the option ``subject`` is the name that Unreal lists."""

    def __init__(self, target: Target, fps: float):
        self.subject = target.options.get("subject", "SEDTalker")
        if not self.subject.strip():
            raise InputError("livelink subject=: give the name that Unreal lists, or leave it out")
        self.socket = UdpSocket(target.host, target.port_or(PORT), "livelink")
        self.identifier, self.number, self.fps = f"${uuid.uuid4()}", 0, fps

    def send(self, frame: StreamedFrame) -> None:
        self.socket.send(livelink_packet(frame, self.number, self.subject, self.identifier, self.fps))
        self.number += 1

    def close(self) -> None:
        self.socket.close()
