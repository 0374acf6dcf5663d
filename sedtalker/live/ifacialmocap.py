"""iFacialMocap: the app's text packets, to whoever asks for them as its receivers do.

A receiver sends a fixed line to UDP port 49983 and gets a packet a frame at its own port 49983; with
``|sendDataVersion=v2`` after it, ``&`` stands between a name and its value, else ``-``. See
https://www.ifacialmocap.com/for-developer/.
"""

from __future__ import annotations

import socket
from contextlib import suppress

from sedtalker.animation.animation_stream import StreamedFrame
from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52
from sedtalker.live.senders import Angles, Target, UdpSocket, eye_angles, head_angles, resolve

PORT = 49983
"""Port of the app and of its receivers."""
HANDSHAKE = b"iFacialMocap_sahuasouryya9218sauhuiayeta91555dy3719"
"""How a receiver asks for packets."""
MOST_RECEIVERS = 8
"""Receivers that are served at once; when another one asks, the first is dropped."""
MOST_ASKED = 32
"""Packets that are read from the socket before a frame is sent."""
SUFFIXES = {"Left": "_L", "Right": "_R"}
"""How the app writes the sides."""
WHOLE = ("jawLeft", "jawRight", "mouthLeft", "mouthRight")
"""Shapes in whose names the side is a direction."""


def app_name(name: str) -> str:
    """The app's name of an ARKit shape: ``mouthSmileRight`` is ``mouthSmile_R``."""
    if name not in WHOLE:
        for side, suffix in SUFFIXES.items():
            if name.endswith(side):
                return name.removesuffix(side) + suffix
    return name


NAMES = tuple(app_name(name) for name in ARKIT_52)
"""The app's names, in the order of ``ARKIT_52``."""


def ifacialmocap_packet(frame: StreamedFrame, second: bool) -> bytes:
    """The text of a frame: weights of 0 to 100, head and eyes in degrees."""
    between = "&" if second else "-"
    percent = (100.0 * frame.weights).round().clip(0, 100).astype(int)
    shapes = "|".join(f"{name}{between}{value}" for name, value in zip(NAMES, percent, strict=True))
    left, right = eye_angles(frame)
    head = f"=head#{_text(head_angles(frame))},0,0,0"
    return f"{shapes}|{head}|rightEye#{_text(right)}|leftEye#{_text(left)}|".encode("ascii")


def _text(angles: Angles) -> str:
    return ",".join(f"{angle:.4f}" for angle in angles)


class IFacialMocapSender:
    """Waits for receivers and sends to those that asked; or sends to one that is named, without waiting.

    Args:
        target: where it waits, or with the option ``push`` the receiver, whose port is that of both sides. The option
            ``version``, 1 or 2, is of the packets that are pushed; others get the one that they ask for.

    Raises:
        InputError: no such host or version, or another program has the port.
    """

    def __init__(self, target: Target, fps: float):
        self.receivers: dict[tuple[str, int], bool] = {}
        self.version = target.options.get("version", "1")
        if self.version not in ("1", "2"):
            raise InputError(f"ifacialmocap version={self.version}: give 1 or 2")
        host, port = target.host, target.port_or(PORT)
        self.port, self.pushed = port, None
        self.socket: socket.socket | None = None
        if target.yes("push", False):
            self.pushed = UdpSocket(host, port, "ifacialmocap")
            return
        self.socket, place = resolve(host, port)
        try:
            self.socket.bind(place)
        except OSError as error:
            self.socket.close()
            raise InputError(
                f"ifacialmocap://{host}:{port}: cannot wait there ({error.strerror}); another program may have the "
                f"port; a receiver on this machine is reached by ifacialmocap://{host}:{port}?push=yes"
            ) from None

    def send(self, frame: StreamedFrame) -> None:
        if self.pushed is not None:
            self.pushed.send(ifacialmocap_packet(frame, self.version == "2"))
            return
        assert self.socket is not None
        self._answer(self.socket)
        packets = {second: ifacialmocap_packet(frame, second) for second in set(self.receivers.values())}
        for place, second in self.receivers.items():
            with suppress(OSError):  # one that has gone
                self.socket.sendto(packets[second], place)

    def _answer(self, waiting: socket.socket) -> None:
        """Read who has asked since the last frame; anything that is no handshake is left alone."""
        for _ in range(MOST_ASKED):
            try:
                asked, place = waiting.recvfrom(256)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                continue  # Windows reports here that an earlier receiver has closed its port
            line, _, options = asked.strip(b"\0\r\n ").partition(b"|")
            if line != HANDSHAKE:
                continue
            own = (place[0], self.port) == waiting.getsockname()[:2]
            receiver = (place[0], place[1] if own else self.port)
            self.receivers.pop(receiver, None)
            self.receivers[receiver] = b"sendDataVersion=v2" in options
            if len(self.receivers) > MOST_RECEIVERS:
                self.receivers.pop(next(iter(self.receivers)))

    def close(self) -> None:
        for opened in (self.socket, self.pushed):
            if opened is not None:
                opened.close()
