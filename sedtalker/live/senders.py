"""Senders of the face: what one is, UDP sockets, the angles that engines ask for, JSON lines, and addresses."""

from __future__ import annotations

import json
import logging
import re
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol
from urllib.parse import parse_qsl, urlsplit

import numpy as np
from scipy.spatial.transform import Rotation

from sedtalker.animation.animation_stream import StreamedFrame
from sedtalker.animation.articulation import TONGUE
from sedtalker.animation.idle_motion import eye_look, head_look
from sedtalker.errors import InputError, extra, one_of
from sedtalker.export import arkit
from sedtalker.face.arkit import ARKIT_52
from sedtalker.plugins import load, parts_of_others

log = logging.getLogger(__name__)


class Sender(Protocol):
    """Takes the face 60 times a second and passes it on; never waits for whoever reads."""

    def send(self, frame: StreamedFrame) -> None:
        """The face of this moment."""

    def close(self) -> None:
        """Let sockets go."""


@dataclass(frozen=True)
class Target:
    """An address that was read.

    Attributes:
        protocol: its name, or ``-``.
        host: name or address.
        port: None for the protocol's own.
        options: by name.
    """

    protocol: str
    host: str
    port: int | None
    options: Mapping[str, str]

    def port_or(self, usual: int) -> int:
        """The port, or the usual one of the protocol."""
        return usual if self.port is None else self.port

    def yes(self, name: str, default: bool) -> bool:
        """An option that is yes or no."""
        text = self.options.get(name)
        if text is None:
            return default
        if text not in ("yes", "no"):
            raise InputError(f"{self.protocol} {name}={text}: give yes or no")
        return text == "yes"


@dataclass(frozen=True)
class LiveProtocol:
    """How the face reaches another program.

    Attributes:
        place: ``module:name`` of what gives a ``Sender``, called with a ``Target`` and frames a second.
        options: that may follow ``?`` in an address.
    """

    place: str
    options: tuple[str, ...] = ()


class SenderGroup:
    """Several senders as one; one whose reader has gone is left out; ``senders``: they are closed with it."""

    def __init__(self, senders: Sequence[Sender]):
        self.senders = list(senders)

    def __len__(self) -> int:
        return len(self.senders)

    def send(self, frame: StreamedFrame) -> None:
        for sender in list(self.senders):
            try:
                sender.send(frame)
            except BrokenPipeError:
                self.senders.remove(sender)
                sender.close()

    def close(self) -> None:
        for sender in self.senders:
            sender.close()


def neutral_frame(time: float) -> StreamedFrame:
    """A resting face."""
    return StreamedFrame(time, np.zeros(len(ARKIT_52), np.float32), np.zeros(3, np.float32), "neutral", 0.0)


class UdpSocket:
    """A UDP socket that sends to one address and never blocks; ``what``: of the protocol, for messages."""

    def __init__(self, host: str, port: int, what: str):
        self.socket, self.place = resolve(host, port)
        self.what, self.failed = what, False

    def send(self, packet: bytes) -> None:
        """One packet; where it cannot be sent, that is logged once and the next is tried all the same."""
        if self.socket.fileno() < 0:
            return  # it was closed
        try:
            self.socket.sendto(packet, self.place)
            self.failed = False
        except (BlockingIOError, InterruptedError):
            return  # the buffer is full: a later frame says more
        except OSError as error:
            if not self.failed:
                log.warning("%s: %s cannot be reached (%s)", self.what, self.place[0], error.strerror or error)
            self.failed = True

    def close(self) -> None:
        self.socket.close()


def resolve(host: str, port: int) -> tuple[socket.socket, tuple[str, int]]:
    """A socket that never blocks, for the address of a host, IPv4 where it has one; and that address."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        raise InputError(f"{host}: no such host; give a name or an address, as 192.168.1.20") from None
    family, _, _, _, place = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    opened = socket.socket(family, socket.SOCK_DGRAM)
    opened.setblocking(False)
    return opened, (str(place[0]), int(place[1]))


class Angles(NamedTuple):
    """Rotations in degrees about our axes: +X to the subject's left, +Y up, +Z out of the face; right-handed.

    Attributes:
        pitch: about X, down positive.
        yaw: about Y, to the subject's left positive.
        roll: about Z, towards the subject's right shoulder positive.
    """

    pitch: float
    yaw: float
    roll: float = 0.0


def head_angles(frame: StreamedFrame) -> Angles:
    """Yaw, pitch and roll of the head, intrinsic and in this order."""
    yaw, pitch, roll = Rotation.from_rotvec(frame.head).as_euler("YXZ", degrees=True)
    return Angles(float(pitch), float(yaw), float(roll))


def eye_angles(frame: StreamedFrame) -> tuple[Angles, Angles]:
    """Angles of the left and of the right eye, from the ``eyeLook…`` weights."""
    left, right = (Angles(pitch, -yaw) for yaw, pitch, _ in np.degrees(arkit.eye_angles(frame.weights[None])[0]))
    return left, right


def with_still_head(frame: StreamedFrame) -> StreamedFrame:
    """The frame for a receiver that does not turn the head: eyes look where they did, and not against its turns."""
    weights, turn = frame.weights.copy(), head_look(frame.head[None])
    for side, eye in zip(("Left", "Right"), eye_angles(frame), strict=True):
        look = np.asarray(np.array([[eye.yaw, -eye.pitch]]) + turn, np.float32)
        for name, value in eye_look(look).items():
            if name.endswith(side):
                weights[ARKIT_52.index(name)] = value[0]
    return replace(frame, weights=weights, head=np.zeros(3, np.float32))


def left_handed(frame: StreamedFrame) -> tuple[float, float, float, float]:
    """The head's quaternion x, y, z, w in Unity's axes: X to the subject's right."""
    x, y, z, w = Rotation.from_rotvec(frame.head).as_quat()
    return float(x), -float(y), -float(z), float(w)


# --- The face as JSON lines: on stdout, and to pages and programs over a WebSocket.
#
# The first line is ``{"shapes": [52 names], "tongue_shapes": [3 names], "fps": 60.0}``; then a line a frame, ``{"time":
# seconds, "weights": [52], "tongue": [3], "head": [rotation vector, radians], "emotion": name, "intensity": 0 to 1}``.

QUEUE = 120
"""Lines that may wait for a reader: two seconds."""
PATIENCE = 1.0
"""Seconds that the end waits for a reader."""


def header_line(fps: float) -> str:
    """The first line."""
    return json.dumps({"shapes": ARKIT_52, "tongue_shapes": TONGUE, "fps": fps})


def frame_line(frame: StreamedFrame, named: bool = False) -> str:
    """The line of a frame; where ``named``, its weights are an object, by the names of the shapes."""
    weights, tongue = _short(frame.weights), _short(frame.tongue)
    return json.dumps(
        {
            "time": round(frame.time, 4),
            "weights": dict(zip(ARKIT_52, weights, strict=True)) if named else weights,
            "tongue": dict(zip(TONGUE, tongue, strict=True)) if named else tongue,
            "head": _short(frame.head),
            "emotion": frame.emotion,
            "intensity": round(frame.intensity, 3),
        }
    )


class LineSender:
    """Writes lines in a thread of its own: a reader that stops holds nobody up, and loses the oldest frames.

    Args:
        write: takes a line without its end; ``BrokenPipeError`` says that nobody reads any more.
    """

    def __init__(self, write: Callable[[str], None], fps: float):
        self.write = write
        self.lines: deque[str] = deque([header_line(fps)], maxlen=QUEUE)
        self.changed = threading.Condition()
        self.ended = False
        self.error: OSError | None = None
        self.thread = threading.Thread(target=self._run, name="live-lines", daemon=True)
        self.thread.start()

    def send(self, frame: StreamedFrame) -> None:
        """See ``Sender``.

        Raises:
            OSError: what writing raised.
        """
        if self.error is not None:
            raise self.error
        with self.changed:
            self.lines.append(frame_line(frame))
            self.changed.notify()

    def close(self) -> None:
        """See ``Sender``: what waits is written, if somebody reads."""
        with self.changed:
            self.ended = True
            self.changed.notify()
        self.thread.join(PATIENCE)

    def _run(self) -> None:
        try:
            while (line := self._next()) is not None:
                self.write(line)
        except OSError as error:
            self.error = error

    def _next(self) -> str | None:
        with self.changed:
            while not self.lines and not self.ended:
                self.changed.wait()
            return self.lines.popleft() if self.lines else None


def _short(values: Iterable[float]) -> list[float]:
    """Four digits of each; a zero has no sign."""
    return [round(float(value), 4) + 0.0 for value in values]


# --- Where to send: ``livelink://host:11111``, ``vmc://``, ``vrchat://``, ``ifacialmocap://``, ``ws://`` and ``-``.
#
# Host and port may be left out: the host is then this machine, the port the protocol's own. Options follow as in an
# address of the web: ``vmc://192.168.1.20?names=vrm1``.

LOOPBACK = "127.0.0.1"
"""The host where none is named: nothing leaves this machine."""
PROTOCOLS: Mapping[str, LiveProtocol] = {
    "livelink": LiveProtocol("sedtalker.live.livelink:LiveLinkSender", ("subject",)),
    "vmc": LiveProtocol("sedtalker.live.osc:VmcSender", ("names", "head")),
    "vrchat": LiveProtocol("sedtalker.live.osc:VrchatSender", ("prefix",)),
    "ifacialmocap": LiveProtocol("sedtalker.live.ifacialmocap:IFacialMocapSender", ("push", "version")),
    "ws": LiveProtocol("sedtalker.live.websocket:WebSocketSender", ("origin", "names")),
}
"""The protocols of this package; other distributions add some by entry points (``sedtalker.plugins``)."""
STDOUT = "-"
"""JSON lines on stdout."""


def known_protocol(name: str) -> LiveProtocol | None:
    """The protocol of that name, of this package or another distribution."""
    found: LiveProtocol | None = PROTOCOLS.get(name) or parts_of_others("sedtalker.live").get(name)
    return found


def parse_targets(texts: Sequence[str]) -> list[Target]:
    """Targets of addresses, several of which may stand in one text with commas between.

    Raises:
        InputError: no address, or one that cannot be read.
    """
    found = [parse_target(part.strip()) for text in texts for part in text.split(",") if part.strip()]
    if not found:
        raise InputError("nowhere to send: give --to, as livelink:// or vmc://127.0.0.1:39539")
    if sum(target.protocol == STDOUT for target in found) > 1:
        raise InputError("--to - is given twice; there is one stdout")
    return found


def parse_target(text: str) -> Target:
    """The target of one address."""
    if text == STDOUT:
        return Target(STDOUT, "", None, {})
    protocol = text.partition(":")[0]
    known = known_protocol(protocol)
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError:
        kind = "vmc" if known is None else protocol
        raise InputError(f"--to {text}: not an address; give it as {kind}://HOST or {kind}://HOST:PORT") from None
    if known is None:
        raise InputError(f"--to {text}: {one_of(protocol, PROTOCOLS, f' before ://, or {STDOUT}')}")
    if parts.path not in ("", "/") or parts.username or parts.fragment or port == 0:
        raise InputError(f"--to {text}: give {protocol}://, or {protocol}://host:port, and options after ?")
    strange = sorted(set(options) - set(known.options))
    if strange:
        raise InputError(f"--to {text}: {protocol} has no option {strange[0]}: {one_of(strange[0], known.options)}")
    return Target(protocol, host or LOOPBACK, port, options)


USUAL_PORTS = {"http": ":80", "https": ":443"}
"""Ports that a browser leaves out of an origin."""


def plain_origin(given: str) -> str:
    """The origin of a web page as browsers send it: in lower case, without the usual port or a slash at its end.

    Raises:
        InputError: it is not scheme and host.
    """
    if not given.isascii() or not re.fullmatch(r"null|[\w+.-]+://[^/\s*?#@]+/?", given):
        raise InputError(f"origin {given}: give scheme and host of the page, such as https://example.org")
    origin = given.rstrip("/").lower()
    return origin.removesuffix(USUAL_PORTS.get(origin.partition("://")[0], " "))


def open_senders(targets: Sequence[Target], fps: float, write: Callable[[str], None]) -> list[Sender]:
    """A sender for each target; all or none.

    Args:
        targets: from ``parse_targets``.
        fps: frames a second that will be sent.
        write: writes a line to stdout.

    Raises:
        InputError: a host is not there, a port is taken, or an option has another value than it takes.
    """
    with ExitStack() as opened:
        senders: list[Sender] = []
        for target in targets:
            known = known_protocol(target.protocol)
            with extra("live"):
                sender: Sender = LineSender(write, fps) if known is None else load(known.place)(target, fps)
            opened.callback(sender.close)
            senders.append(sender)
        opened.pop_all()
        return senders
