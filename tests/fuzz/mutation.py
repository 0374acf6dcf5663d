# ruff: noqa: E501
"""Bad inputs from good ones: bytes, numbers, words, and the parts of JSON, archives and chunked files are changed."""

from __future__ import annotations

import io
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

import numpy as np

Mutator = Callable[[bytes, Random, Sequence[bytes]], bytes]
"""(an input, chance, other inputs of the same kind) → a changed input."""

LARGEST = 4 * 2**20
"""Bytes of a generated input; hostile ones may be larger."""
NUMBERS = (
    "0", "-1", "1", "2", "-0.0", "0.5", "1e-320", "1e308", "1e309", "-1e309", "nan", "NaN", "inf", "-inf", "Infinity",
    "255", "256", "65535", "65536", "2147483647", "2147483648", "-2147483648", "4294967295", "4294967296",
    "9223372036854775807", "18446744073709551616", "1000000000", "100000000", "1" + "0" * 400, "1" * 5000, "0x10", "1_0",
    "1,5", "٣", "", "1e", "--1", "+1", "1.2.3",
)  # fmt: skip
"""Numbers that programs do not expect."""
WORDS = (
    "", "\0", "a" * 300, "é" * 200, "../../../etc/passwd", "/etc/passwd", "C:\\x", "http://127.0.0.1:9/x", "file:///etc/passwd",
    "data:application/octet-stream;base64,AAAA", "data:,", "%00", "\ud800", "\u2028", "a\nb", "\x1b[2J", "__class__",
    "hf:nobody/nothing", "nul", "-", "--", "happy", "neutral:2", "NaN", "null", "\ufeff", "a;b", "a,b", '"', "'", "jawOpen",
)  # fmt: skip
"""Words that programs do not expect."""
WHOLE = (0, 1, 2, 3, 4, 8, 64, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
"""Whole numbers that are written over others, as far as they fit."""
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 0.5, 1e308, -1e308, float("nan"), float("inf"), 2**31, 2**53, 2**63, 2**64, 10**9, 10**400,
    "", [], {}, [[]], [None], {"": None}, "x" * 1000, [0] * 1000, {"a": {"b": {"c": []}}},
)  # fmt: skip
"""Values that JSON may hold anywhere."""


# --- Any bytes.


def change_bytes(data: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    """A few changes that know nothing of the format."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        at = rng.randrange(len(out) + 1)
        match rng.randrange(9):
            case 0 if at < len(out):
                out[at] ^= 1 << rng.randrange(8)
            case 1 if at < len(out):
                out[at] = rng.choice((0, 1, 127, 128, 254, 255, rng.randrange(256)))
            case 2:
                out[at:at] = rng.randbytes(rng.choice((1, 2, 4, 64)))
            case 3:
                del out[at : at + rng.choice((1, 2, 4, 16, 256))]
            case 4:
                del out[at:]
            case 5:
                part = out[at : at + rng.choice((4, 64, 1024))]
                out[at:at] = part * rng.choice((1, 2, 50))
            case 6:
                other = rng.choice(others)
                start = rng.randrange(len(other) + 1)
                out[at:] = other[start:]
            case 7 | 8:
                size = rng.choice((1, 2, 4, 8))
                number = rng.choice(WHOLE) % 2 ** (8 * size)
                out[at : at + size] = number.to_bytes(size, rng.choice(("little", "big")))
            case _:
                pass
    return bytes(out[:LARGEST])


# --- Text.


def change_text(data: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    """Numbers, words, lines and brackets of a text become others."""
    text = data.decode("utf-8", "surrogateescape")
    for _ in range(rng.choice((1, 1, 2, 4))):
        text = text[:LARGEST]
        match rng.randrange(11):
            case 0 | 1 | 2:
                text = _replaced(r"[-+]?\d[\d.eE+-]*", text, rng.choice(NUMBERS), rng)
            case 3 | 4:
                text = _replaced(r"[A-Za-z_]\w*", text, rng.choice(WORDS), rng)
            case 5:
                lines = text.splitlines(keepends=True) or [""]
                at = rng.randrange(len(lines))
                lines[at : at + 1] = [lines[at]] * min(rng.choice((0, 2, 3, 500)), LARGEST // (1 + len(lines[at])))
                text = "".join(lines)
            case 6:
                at = rng.randrange(len(text) + 1)
                text = text[:at] + rng.choice(WORDS) + text[at:]
            case 7:
                at = rng.randrange(len(text) + 1)
                text = (
                    text[:at]
                    + rng.choice(("\t", " ", "\n", "\r", ",", ";", ":", "{", "[", '"', "\\", "#", "<"))
                    + text[at:]
                )
            case 8:
                at = rng.randrange(len(text) + 1)
                text = text[:at] + rng.choice("[{(<") * rng.choice((3, 2000)) + text[at:]
            case 9:
                lines = text.splitlines(keepends=True)
                rng.shuffle(lines)
                text = "".join(lines)
            case _:
                text = _replaced(r"[^\s]+", text, rng.choice(NUMBERS + WORDS), rng)
    return text.encode("utf-8", "surrogatepass")[:LARGEST]


def _replaced(pattern: str, text: str, by: str, rng: Random) -> str:
    """The text with one of the pattern's first thousand matches replaced."""
    found = [match.span() for _, match in zip(range(1000), re.finditer(pattern, text), strict=False)]
    if not found:
        return text + by
    start, end = rng.choice(found)
    return text[:start] + by + text[end:]


# --- JSON.


def change_json(data: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    """Values, keys and lists of a JSON text become others; the result is JSON, but for NaN and lone surrogates."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return change_text(data, rng, others)
    for _ in range(rng.choice((1, 1, 2, 3))):
        value = _change_value(value, rng)
    return json.dumps(value).encode("utf-8")[:LARGEST]


def _change_value(value: Any, rng: Random) -> Any:
    """The value with something in it changed."""
    if isinstance(value, (dict, list)) and value and rng.random() < 0.88:
        key = rng.choice(list(value)) if isinstance(value, dict) else rng.randrange(len(value))
        if rng.random() < 0.75:
            made = dict(value) if isinstance(value, dict) else list(value)
            made[key] = _change_value(value[key], rng)
            return made
        return _change_container(value, key, rng)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and rng.random() < 0.5:
        return rng.choice((-value, value * 2, value + 1, value - 1, value * 10**6, -1e-9, 1e18))
    if isinstance(value, str) and rng.random() < 0.5:
        return rng.choice(WORDS)
    return rng.choice(VALUES)


def _change_container(value: Any, key: Any, rng: Random) -> Any:
    if isinstance(value, dict):
        made = dict(value)
        match rng.randrange(3):
            case 0:
                del made[key]
            case 1:
                made[rng.choice(WORDS)] = rng.choice(VALUES)
            case _:
                made[rng.choice(list(value))] = made.pop(key)
        return made
    made = list(value)
    match rng.randrange(4):
        case 0:
            del made[key]
        case 1:
            made[key:key] = [made[key]] * rng.choice((1, 3, 2000))
        case 2:
            rng.shuffle(made)
        case _:
            made.append(rng.choice(VALUES))
    return made


# --- Archives of arrays.


def _entries(data: bytes) -> dict[str, bytes] | None:
    """The files in an archive, by name; None: it is broken."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    except Exception:
        return None


def _archive(entries: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for key, held in entries.items():
            archive.writestr(key, held)
    return made.getvalue()


def change_npz(data: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    """Arrays of an ``.npz`` get other values, shapes, types, headers or names, or are left out."""
    if not (entries := _entries(data)):  # broken, or all its arrays were left out
        return change_bytes(data, rng, others)
    name = rng.choice(list(entries))
    match rng.randrange(8):
        case 0:
            del entries[name]
        case 1:
            entries[rng.choice(("../x.npy", "x", "a" * 400 + ".npy", name + "2", "/x.npy"))] = entries[name]
        case 2:
            entries[name] = change_bytes(entries[name], rng, [entries[name]])
        case 3:
            header = change_text(entries[name][:128], rng, [b"1"])
            entries[name] = header[:128].ljust(128, b" ") + entries[name][128:]
        case 4:
            entries[rng.choice(list(entries))] = entries[name]
        case _:
            entries[name] = _changed_array(entries[name], rng)
    out = bytearray(_archive(entries, rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))))
    if rng.random() < 0.1:  # encrypted, another method, another size
        at = out.rfind(b"PK\x01\x02") + rng.choice((8, 10, 20, 24))
        out[at : at + 2] = rng.choice((1, 8, 12, 99, 65535)).to_bytes(2, "little")
    return bytes(out)


def change_parts(data: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    """Bytes of one part of an archive change, its checksum is right."""
    if (entries := _entries(data)) is None:
        return change_bytes(data, rng, others)
    pickles = [name for name in entries if name.endswith(".pkl")]
    name = rng.choice(pickles if pickles and rng.random() < 0.7 else list(entries) or ["x"])
    entries[name] = change_bytes(entries.get(name, b""), rng, list(entries.values()) or [b""])
    return _archive(entries)


def _changed_array(entry: bytes, rng: Random) -> bytes:
    try:
        array = np.load(io.BytesIO(entry), allow_pickle=False)
    except Exception:
        return entry[: len(entry) // 2]
    if array.dtype.kind == "U" and array.ndim == 0:
        held = str(array).encode("utf-8", "surrogatepass")
        text = (change_json if rng.random() < 0.8 else change_text)(held, rng, [held])
        array = np.array(text.decode("utf-8", "replace").replace("\0", ""))
    elif rng.random() < 0.4 and array.size:
        array = array.copy()
        flat = array.reshape(-1)
        value = rng.choice((0, -1, 1, 2**31 - 1, np.nan, np.inf, 1e30, -1e30, 255))
        with np.errstate(all="ignore"):
            try:
                flat[rng.randrange(flat.size)] = value
            except (ValueError, OverflowError):
                flat[rng.randrange(flat.size)] = 0
    else:
        array = rng.choice(
            (
                lambda a: a[:0], lambda a: a.reshape(-1), lambda a: a[None], lambda a: a.T, lambda a: a.astype(str),
                lambda a: np.zeros((3, 3)), lambda a: np.concatenate([a.reshape(-1)] * 3), lambda a: np.zeros((0, 3), "f4"),
                lambda a: a.astype(bool), lambda a: np.array("x"), lambda a: np.array(7), lambda a: a[..., :1],
                lambda a: np.zeros(a.shape, "c8"), lambda a: np.zeros(a.shape, "M8[s]"), lambda a: np.zeros(200_000),
                lambda a: np.zeros(a.shape, [("x", "f4")]),
            )
        )(array if array.ndim else array[None])  # fmt: skip
    made = io.BytesIO()
    np.save(made, array, allow_pickle=False)
    return made.getvalue()


# --- Files of chunks.


def change_glb(data: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    """The JSON of a GLB changes, the sizes of its chunks are right."""
    try:
        length = struct.unpack_from("<I", data, 12)[0]
        text, rest = data[20 : 20 + length], data[20 + length :]
        changed = change_json(text, rng, [text])
    except struct.error:
        return change_bytes(data, rng, others)
    changed += b" " * (-len(changed) % 4)
    return (
        struct.pack("<4sII", b"glTF", 2, 20 + len(changed) + len(rest))
        + struct.pack("<I4s", len(changed), b"JSON")
        + changed
        + rest
    )


def change_safetensors(data: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    """The header of a safetensors file changes, its size is right."""
    try:
        length = struct.unpack_from("<Q", data)[0]
        changed = change_json(data[8 : 8 + length], rng, [data])
    except struct.error:
        return change_bytes(data, rng, others)
    return struct.pack("<Q", len(changed)) + changed + data[8 + length :]


def change_wav(data: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    """The header of a WAV file gets other formats, channels, rates and sizes."""
    out = bytearray(data)
    offset, layout, choices = rng.choice(
        (
            (20, "<H", (0, 1, 2, 3, 6, 7, 17, 49, 85, 0xFFFE, 0xFFFF)),
            (22, "<H", (0, 1, 2, 3, 7, 8, 9, 16, 63, 64, 65, 255, 65535)),
            (24, "<I", (0, 1, 2, 999, 1000, 8000, 768000, 768001, 10**9, 2**31, 2**32 - 1)),
            (32, "<H", (0, 1, 3, 4, 65535)),
            (34, "<H", (0, 1, 4, 8, 12, 16, 24, 32, 64, 65535)),
            (16, "<I", (0, 1, 14, 17, 18, 40, 2**20, 2**31, 2**32 - 1)),
            (40, "<I", (0, 1, 2**31, 2**32 - 1, 2**32 - 2)),
            (4, "<I", (0, 1, 2**32 - 1)),
        )
    )
    if len(out) >= offset + struct.calcsize(layout):
        struct.pack_into(layout, out, offset, rng.choice(choices))
    return bytes(out)


def change_png(data: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    """The size, depth and colour type of a PNG change, with the right checksum."""
    if data[:4] != b"\x89PNG" or len(data) < 33:
        return change_bytes(data, rng, others)
    head = bytearray(data[12:29])
    at = rng.choice((4, 8))
    if rng.random() < 0.7:
        struct.pack_into(">I", head, at, rng.choice((0, 1, 8193, 20_000, 2**31 - 1, 2**31, 2**32 - 1)))
    else:
        head[rng.randrange(12, 17)] = rng.choice((0, 1, 2, 3, 4, 6, 8, 16, 255))
    return data[:12] + bytes(head) + struct.pack(">I", zlib.crc32(bytes(head))) + data[33:]
