"""Matroska whose zlib blocks unpack to far more sound than the file has bytes."""

from __future__ import annotations

import struct
import zlib

import numpy as np

BLOCK = 0.05
"""Seconds of a block."""


def packed_matroska(seconds: float, channels: int = 64, rate: int = 768_000) -> bytes:
    """16-bit PCM, a click every thousand samples."""
    samples = np.zeros((int(rate * BLOCK), channels), "<i2")
    samples[::1000] = 8000
    block = b"\x81\x00\x00\x80" + zlib.compress(samples.tobytes(), 9)
    head = b"".join((_number("4286", 1), _number("42F7", 1), _number("42F2", 4), _number("42F3", 8)))
    head += _element("4282", b"matroska") + _number("4287", 4) + _number("4285", 2)
    info = _number("2AD7B1", 1_000_000) + _element("4489", struct.pack(">d", 1000 * seconds))
    sound = _element("B5", struct.pack(">d", rate)) + _number("9F", channels) + _number("6264", 16)
    zlib_used = _element("5034", _number("4254", 0))
    packing = _element("6240", _number("5031", 0) + _number("5032", 1) + _number("5033", 0) + zlib_used)
    track = _number("D7", 1) + _number("73C5", 1) + _number("83", 2) + _element("86", b"A_PCM/INT/LIT")
    track += _element("E1", sound) + _element("6D80", packing)
    body = _element("1549A966", info) + _element("1654AE6B", _element("AE", track))
    times = range(0, round(1000 * seconds), round(1000 * BLOCK))
    body += b"".join(_element("1F43B675", _number("E7", time) + _element("A3", block)) for time in times)
    return _element("1A45DFA3", head) + _element("18538067", body)


def _element(name: str, body: bytes) -> bytes:
    width = next(n for n in range(1, 9) if len(body) < (1 << 7 * n) - 1)
    return bytes.fromhex(name) + ((1 << 7 * width) | len(body)).to_bytes(width, "big") + body


def _number(name: str, value: int) -> bytes:
    return _element(name, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))
