"""Live Link packets, read back by a parser written from the description of the layout."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sedtalker.animation.animation_stream import StreamedFrame
from sedtalker.errors import InputError
from sedtalker.live.livelink import LiveLinkSender, livelink_packet
from tests.live.conftest import Receiver, frame, target

NAMES = """
EyeBlinkLeft EyeLookDownLeft EyeLookInLeft EyeLookOutLeft EyeLookUpLeft EyeSquintLeft EyeWideLeft EyeBlinkRight
EyeLookDownRight EyeLookInRight EyeLookOutRight EyeLookUpRight EyeSquintRight EyeWideRight JawForward JawLeft
JawRight JawOpen MouthClose MouthFunnel MouthPucker MouthLeft MouthRight MouthSmileLeft MouthSmileRight
MouthFrownLeft MouthFrownRight MouthDimpleLeft MouthDimpleRight MouthStretchLeft MouthStretchRight MouthRollLower
MouthRollUpper MouthShrugLower MouthShrugUpper MouthPressLeft MouthPressRight MouthLowerDownLeft MouthLowerDownRight
MouthUpperUpLeft MouthUpperUpRight BrowDownLeft BrowDownRight BrowInnerUp BrowOuterUpLeft BrowOuterUpRight CheekPuff
CheekSquintLeft CheekSquintRight NoseSneerLeft NoseSneerRight TongueOut HeadYaw HeadPitch HeadRoll LeftEyeYaw
LeftEyePitch LeftEyeRoll RightEyeYaw RightEyePitch RightEyeRoll
"""
"""The values of a packet, in the order of Unreal Engine."""
UNREAL = NAMES.split()


def parse(packet: bytes) -> dict:
    """Every field of a packet; nothing may be left over."""
    version = int.from_bytes(packet[:4], "little")
    identifier, rest = packet[4:41].decode(), packet[41:]
    length = int.from_bytes(rest[:4], "big", signed=True)
    subject, rest = rest[4 : 4 + length].decode("utf-8"), rest[4 + length :]
    number, fps, denominator = (int.from_bytes(rest[k : k + 4], "big") for k in (0, 8, 12))
    (part,) = struct.unpack(">f", rest[4:8])
    values = np.frombuffer(rest[17:], ">f4")
    assert rest[16] == len(values) == 61
    named = dict(zip(UNREAL, values.tolist(), strict=True))
    return {
        "version": version,
        "identifier": identifier,
        "subject": subject,
        "number": number,
        "part": part,
        "fps": fps / denominator,
        "values": named,
    }


@given(st.lists(st.floats(0, 1, width=32), min_size=52, max_size=52), st.integers(0, 2**40), st.text(max_size=40))
def test_a_packet_says_what_the_face_does(weights, number, subject):
    face = StreamedFrame(0.0, np.float32(weights), np.zeros(3, np.float32), "neutral", 0.0)
    read = parse(livelink_packet(face, number, subject, "$" + "a" * 36))
    assert (read["version"], read["fps"], read["subject"]) == (6, 60.0, subject)
    assert read["number"] == number % 2**32
    assert 0.0 <= read["part"] < 1.0
    from sedtalker.face.arkit import ARKIT_52

    for name, value in zip(ARKIT_52, weights, strict=True):
        assert read["values"][name[0].upper() + name[1:]] == value


def test_head_and_eyes_turn_as_unreals_rotators():
    values = parse(livelink_packet(frame(head=(0.2, 0.0, 0.0)), 0, "a", "$" + "a" * 36))["values"]
    assert values["HeadPitch"] == pytest.approx(-0.2), "we nod down; up is positive there"
    values = parse(livelink_packet(frame(head=(0.0, 0.3, 0.0)), 0, "a", "$" + "a" * 36))["values"]
    assert values["HeadYaw"] == pytest.approx(-0.3), "we turn to the left; right is positive there"
    values = parse(livelink_packet(frame(eyeLookOutLeft=0.5, eyeLookInRight=0.5), 0, "a", "$" + "a" * 36))["values"]
    assert values["LeftEyeYaw"] == values["RightEyeYaw"] == pytest.approx(-np.radians(15.0))


def test_packets_arrive_numbered_from_one_device(receiver: Receiver):
    sender = LiveLinkSender(target(receiver.host, receiver.port, subject="Äbc"), 29.97)
    for _ in range(3):
        sender.send(frame(jawOpen=0.5))
    sender.close()
    read = [parse(receiver.packet()) for _ in range(3)]
    assert [r["number"] for r in read] == [0, 1, 2]
    assert [r["fps"] for r in read] == [pytest.approx(29.97)] * 3, "the rate of the stream"
    assert len({r["identifier"] for r in read}) == 1
    assert read[0]["identifier"].startswith("$")
    assert read[0]["subject"] == "Äbc"


@pytest.mark.parametrize("name", ["", " "])
def test_a_subject_without_a_name_is_refused(receiver: Receiver, name: str) -> None:
    with pytest.raises(InputError, match="livelink subject=: give the name"):
        LiveLinkSender(target(receiver.host, receiver.port, subject=name), 30.0)
