"""What one client may ask of a server, and all of them together."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds that keep memory, disk and time finite whatever clients do.

    Attributes:
        clients: streams at once; further ones are refused with close code 1013.
        requests: recordings that are worked on or wait; further ones are refused with status 503.
        seconds: of sound in a recording or a stream.
        bytes: of a request.
        idle: seconds that a stream may be silent on the wire, and a request take to arrive.
        stalled: seconds that a client may leave frames unread before it is closed.
        work: seconds that a recording may take to compute.
        sound_waiting: seconds of sound of a stream that wait to be decoded; then nothing more is read from the client.
        frames_waiting: frames of a stream that wait to be sent; then nothing more is decoded.
    """

    clients: int = 64
    requests: int = 8
    seconds: float = 3600.0
    bytes: int = 64 * 2**20
    idle: float = 30.0
    stalled: float = 10.0
    work: float = 600.0
    sound_waiting: float = 4.0
    frames_waiting: int = 600
