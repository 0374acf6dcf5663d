"""iFacialMocap's text, read by a parser written from its developers' page; receivers are real sockets."""

from __future__ import annotations

import time

import pytest

from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52
from sedtalker.live.ifacialmocap import MOST_RECEIVERS, IFacialMocapSender, app_name, ifacialmocap_packet
from tests.live.conftest import Receiver, frame, target

START = b"iFacialMocap_sahuasouryya9218sauhuiayeta91555dy3719"


def parse(packet: bytes) -> tuple[dict[str, float], dict[str, list[float]]]:
    """Weights in [0, 1] and rotations in degrees."""
    shapes, turned = {}, {}
    for part in packet.decode("utf-8").split("|"):
        if "#" in part:
            name, _, numbers = part.partition("#")
            turned[name] = [float(x) for x in numbers.split(",")]
        elif part:
            name, _, number = part.partition("&" if "&" in part else "-")
            shapes[name] = int(number) / 100
    return shapes, turned


@pytest.mark.parametrize("second", [False, True])
def test_a_packet_says_what_the_face_does(second: bool):
    packet = ifacialmocap_packet(frame(head=(0.1, 0.0, 0.0), jawOpen=0.35, mouthSmileRight=1.0, jawLeft=0.2), second)
    assert (b"jawOpen&35|" in packet) == second
    assert (b"jawOpen-35|" in packet) != second
    shapes, turned = parse(packet)
    assert len(shapes) == 52
    assert (shapes["jawOpen"], shapes["mouthSmile_R"], shapes["jawLeft"]) == (0.35, 1.0, 0.2)
    assert list(turned) == ["=head", "rightEye", "leftEye"]
    assert turned["=head"] == pytest.approx([5.7296, 0, 0, 0, 0, 0], abs=1e-3)
    assert packet.endswith(b"|")


def test_eyes_that_meet_turn_inwards():
    _, turned = parse(ifacialmocap_packet(frame(eyeLookInLeft=0.2, eyeLookInRight=0.2, eyeLookDownLeft=0.1), False))
    assert turned["rightEye"] == pytest.approx([0.0, 6.0, 0.0])
    assert turned["leftEye"] == pytest.approx([3.0, -6.0, 0.0])


def test_names_are_the_apps():
    names = [app_name(name) for name in ARKIT_52]
    assert len(set(names)) == 52
    assert {"eyeBlink_L", "browOuterUp_R", "mouthLeft", "jawRight", "browInnerUp", "cheekPuff"} <= set(names)


def asked(sender: IFacialMocapSender, receiver: Receiver, line: bytes) -> None:
    receiver.socket.sendto(line, sender.socket.getsockname())
    deadline, known = time.monotonic() + 5.0, len(sender.receivers)
    while len(sender.receivers) == known and time.monotonic() < deadline:
        sender.send(frame(jawOpen=0.5))


def test_who_asks_is_answered_at_the_protocols_port():
    sender = IFacialMocapSender(target("127.0.0.1", 0), 60.0)
    sender.port = sender.socket.getsockname()[1]
    receiver = Receiver("127.0.0.2", sender.port)
    try:
        receiver.socket.sendto(START + b"|sendDataVersion=v2", sender.socket.getsockname())
        deadline = time.monotonic() + 5.0
        while not sender.receivers and time.monotonic() < deadline:
            sender.send(frame(jawOpen=0.5))
        assert sender.receivers == {("127.0.0.2", sender.port): True}
        assert b"jawOpen&50|" in receiver.packet()
    finally:
        receiver.socket.close()
        sender.close()


def test_on_this_machine_the_port_that_asked_is_answered(receiver: Receiver):
    sender = IFacialMocapSender(target("127.0.0.1", 0), 60.0)
    sender.port = sender.socket.getsockname()[1]
    asked(sender, receiver, START)
    assert b"jawOpen-50|" in receiver.packet()
    sender.close()


def test_nonsense_is_left_alone_and_receivers_are_few(receiver: Receiver):
    sender = IFacialMocapSender(target("127.0.0.1", 0), 60.0)
    sender.port = sender.socket.getsockname()[1]
    for line in (b"", b"hello", START[:-1], b"\xff" * 200):
        receiver.socket.sendto(line, sender.socket.getsockname())
    time.sleep(0.05)
    sender.send(frame())
    assert not sender.receivers
    others = [Receiver() for _ in range(MOST_RECEIVERS + 2)]
    for other in others:
        other.socket.sendto(START, sender.socket.getsockname())
    deadline = time.monotonic() + 5.0
    while ("127.0.0.1", others[-1].port) not in sender.receivers and time.monotonic() < deadline:
        sender.send(frame())
    assert len(sender.receivers) == MOST_RECEIVERS
    for other in others:
        other.socket.close()
    sender.close()


def test_a_taken_port_is_one_line_and_pushing_needs_none(receiver: Receiver):
    with pytest.raises(InputError, match="push=yes") as caught:
        IFacialMocapSender(target(receiver.host, receiver.port), 60.0)
    assert "\n" not in str(caught.value)
    sender = IFacialMocapSender(target(receiver.host, receiver.port, push="yes", version="2"), 60.0)
    sender.send(frame(jawOpen=0.5))
    assert b"jawOpen&50|" in receiver.packet()
    sender.close()
