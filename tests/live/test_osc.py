"""VMC and VRChat as python-osc's own server reads them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pythonosc.dispatcher import Dispatcher
from pythonosc.osc_server import BlockingOSCUDPServer
from scipy.spatial.transform import Rotation

from sedtalker.animation.idle_motion import eye_look, in_head
from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52
from sedtalker.live.osc import LARGEST, VmcSender, VrchatSender, osc_packets, unified_parameters, vrm_expressions
from tests.live.conftest import Receiver, frame, target


class Heard:
    """An OSC server that keeps what it hears until an address comes."""

    def __init__(self) -> None:
        self.messages: list[tuple] = []
        dispatcher = Dispatcher()
        dispatcher.set_default_handler(lambda address, *values: self.messages.append((address, *values)))
        self.server = BlockingOSCUDPServer(("127.0.0.1", 0), dispatcher)
        self.server.timeout = 5.0
        self.port = self.server.server_address[1]

    def until(self, last: str) -> list[tuple]:
        while not self.messages or self.messages[-1][0] != last:
            before = len(self.messages)
            self.server.handle_request()
            assert len(self.messages) > before, "nothing came"
        found, self.messages = self.messages, []
        return found


@pytest.fixture
def heard():
    listening = Heard()
    yield listening
    listening.server.server_close()


def test_vmc_says_every_shape_and_applies_them(heard: Heard):
    sender = VmcSender(target("127.0.0.1", heard.port), 60.0)
    sender.send(frame(1.5, jawOpen=0.25, mouthSmileLeft=1.0))
    found = heard.until("/VMC/Ext/Blend/Apply")
    blends = {name: value for address, name, value in (m for m in found if m[0] == "/VMC/Ext/Blend/Val")}
    assert tuple(blends) == ARKIT_52
    assert blends["jawOpen"] == 0.25
    assert blends["mouthSmileLeft"] == 1.0
    assert ("/VMC/Ext/OK", 1) in found
    assert ("/VMC/Ext/T", 1.5) in found
    sender.close()


def test_the_head_is_in_unitys_axes(heard: Heard):
    sender = VmcSender(target("127.0.0.1", heard.port), 60.0)
    rotation = Rotation.from_euler("YXZ", [20, 10, -5], degrees=True)
    sender.send(frame(head=tuple(rotation.as_rotvec())))
    sender.close()
    (bone,) = [m for m in heard.until("/VMC/Ext/Blend/Apply") if m[0] == "/VMC/Ext/Bone/Pos"]
    assert (bone[1], *np.round(bone[2:5], 6)) == ("Head", 0.0, 0.08, 0.0)  # its usual place in the neck
    mirror = np.diag([-1.0, 1.0, 1.0])
    assert Rotation.from_quat(bone[5:]).as_matrix() == pytest.approx(mirror @ rotation.as_matrix() @ mirror, abs=1e-6)


@pytest.mark.parametrize(("names", "one"), [("pascal", "JawOpen"), ("vrm0", "Joy"), ("vrm1", "happy")])
def test_names_can_be_chosen(heard: Heard, names: str, one: str):
    sender = VmcSender(target("127.0.0.1", heard.port, names=names, head="no"), 60.0)
    sender.send(frame(jawOpen=0.5))
    sender.close()
    found = heard.until("/VMC/Ext/Blend/Apply")
    blends = {m[1]: m[2] for m in found if m[0] == "/VMC/Ext/Blend/Val"}
    assert blends[one] == pytest.approx(0.5)
    assert not any(m[0] == "/VMC/Ext/Bone/Pos" for m in found)
    with pytest.raises(InputError, match="names"):
        VmcSender(target("127.0.0.1", heard.port, names="latin"), 60.0)


def test_vowels_of_vrm_follow_jaw_and_lips():
    assert max(vrm_expressions(frame(jawOpen=0.6)).items(), key=lambda item: item[1])[0] == "aa"
    assert vrm_expressions(frame(jawOpen=0.6, mouthFunnel=0.6))["oh"] > 0.7
    assert vrm_expressions(frame(mouthPucker=0.6))["ou"] > 0.7
    assert vrm_expressions(frame(jawOpen=0.5, mouthStretchLeft=0.6, mouthStretchRight=0.6))["ee"] > 0.5
    sides = [vrm_expressions(frame(jawOpen=0.5, **{f"mouthSmile{side}": 0.5}))["ee"] for side in ("Left", "Right")]
    assert sides[0] == sides[1] > 0.2
    shut = vrm_expressions(frame(jawOpen=0.2, mouthClose=0.4))
    assert shut["aa"] == 0.0
    assert all(0.0 <= value <= 1.0 for value in vrm_expressions(frame(**dict.fromkeys(ARKIT_52, 1.0))).values())


def test_no_packet_is_torn_apart(receiver: Receiver):
    sender = VmcSender(target(receiver.host, receiver.port), 60.0)
    packets = list(osc_packets(sender.messages(frame())))
    sender.close()
    assert 1 < len(packets) < 6
    assert all(len(packet) <= LARGEST for packet in packets)
    assert all(packet.startswith(b"#bundle\0") for packet in packets)


def test_vrchat_gets_unified_expressions_eyes_and_switches(heard: Heard):
    sender = VrchatSender(target("127.0.0.1", heard.port, prefix="FT"), 60.0)
    sender.send(frame(jawOpen=0.5, eyeLookOutLeft=0.5, eyeLookInRight=0.5, eyeBlinkLeft=1.0))
    found = {m[0]: m[1:] for m in heard.until("/tracking/eye/EyesClosedAmount")}
    assert found["/avatar/parameters/FT/v2/JawOpen"] == (0.5,)
    assert found["/avatar/parameters/LipTrackingActive"] == (True,)
    assert found["/tracking/eye/EyesClosedAmount"] == (0.5,)
    assert found["/tracking/eye/LeftRightPitchYaw"] == pytest.approx((0.0, -15.0, 0.0, -15.0)), "right is positive"
    sender.close()
    assert heard.until("/avatar/parameters/LipTrackingActive")[-1][1] is False


@pytest.mark.parametrize("way", ["vrchat", "vmc"])
def test_eyes_are_not_turned_against_a_head_that_nobody_sees(heard: Heard, way: str):
    head = np.radians([[-4.0, 8.0, 1.0]]).astype(np.float32)
    held = eye_look(in_head(np.array([[3.0, -2.0]], np.float32), head))
    shown = frame(head=tuple(head[0].tolist()), **{name: float(value[0]) for name, value in held.items()})
    made = VrchatSender if way == "vrchat" else VmcSender
    sender = made(target("127.0.0.1", heard.port, **({} if way == "vrchat" else {"head": "no"})), 60.0)
    sender.send(shown)
    found = heard.until("/tracking/eye/EyesClosedAmount" if way == "vrchat" else "/VMC/Ext/Blend/Apply")
    sender.close()
    if way == "vrchat":
        angles = {m[0]: m[1:] for m in found}["/tracking/eye/LeftRightPitchYaw"]
        assert angles == pytest.approx((2.0, -3.0, 2.0, -3.0), abs=1e-3), "down and right are positive"
    else:
        blends = {m[1]: m[2] for m in found if m[0] == "/VMC/Ext/Blend/Val"}
        assert (blends["eyeLookOutLeft"], blends["eyeLookInRight"]) == pytest.approx((0.1, 0.1), abs=1e-4)
        assert (blends["eyeLookDownLeft"], blends["eyeLookInLeft"]) == pytest.approx((2.0 / 30.0, 0.0), abs=1e-4)


def test_sums_of_shapes_have_their_range():
    full = unified_parameters(frame(**dict.fromkeys(ARKIT_52, 1.0)))
    assert all(-1.0 <= value <= 1.0 for value in full.values())
    said = replace(frame(), tongue=np.array([0.2, 0.6, 0.0], np.float32))
    assert (unified_parameters(said)["TongueUp"], unified_parameters(said)["TongueY"]) == pytest.approx((0.6, 0.6))
    smiling = unified_parameters(frame(mouthSmileLeft=0.8))
    assert (smiling["SmileFrownLeft"], smiling["SmileFrown"]) == pytest.approx((0.8, 0.4))
    assert unified_parameters(frame())["EyeLidLeft"] == 0.75
    assert unified_parameters(frame(eyeBlinkLeft=1.0))["EyeLidLeft"] == 0.0
    assert unified_parameters(frame(eyeWideLeft=1.0))["EyeLidLeft"] == 1.0
    assert unified_parameters(frame(jawLeft=0.3))["JawX"] == pytest.approx(-0.3)
