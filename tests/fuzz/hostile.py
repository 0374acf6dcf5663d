# ruff: noqa: E501
"""Inputs made by hand to do harm: claims of sizes, bombs, deep nesting, other people's files, endless text."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Iterator

import numpy as np

from tests.support.packed import packed_matroska

DEEP = 200_000
"""Levels of nesting."""
MANY = 1_000_000
"""Segments, lines or numbers of one file."""


def any_bytes() -> Iterator[bytes]:
    """For every reader."""
    yield b""
    yield b"\0"
    yield b"\0" * 65_536
    yield b"\xff" * 4096
    yield b"\xff\xfe"
    yield b"\xfe\xff\x00"
    yield b"\xff\xfe\x00\xd8"
    yield b"\xef\xbb\xbf"
    yield bytes(range(256)) * 16
    yield b"a" * 1_000_000
    yield b"\n" * 1_000_000
    yield "𝄞é\u2028\u202e".encode() * 1000


def json_text() -> Iterator[bytes]:
    """For every reader of JSON."""
    yield b"[" * DEEP
    yield b'{"a":' * DEEP
    yield b"[" * DEEP + b"]" * DEEP
    yield b"[" * 5000 + b"]" * 5000
    yield b'{"segments":' + b"[" * 3000 + b"]" * 3000 + b"}"
    yield b"9" * 100_000
    yield b"[1e999999, -1e999999, NaN, Infinity]"
    yield b"[" + b"1" * 5000 + b"]"
    yield b'"\\ud800"'
    yield b'{"\\ud800": 1, "\\u0000": 2}'
    yield b"{}"
    yield b"[]"
    yield b"null"
    yield b"true"
    yield b'"text"'
    yield b"[{}]"
    yield b"[[]]"
    yield b"[null]"
    yield b'{"a": 1, "a": 2}'
    yield b"[" + b"0," * MANY + b"0]"


def archives() -> Iterator[bytes]:
    """For every reader of ``.npz``."""
    for entries in ({}, {"a": b""}, {"../x.npy": b"\x93NUMPY"}, {"face_json.npy": b"\x93NUMPY\x01\x00\xff\xff"}):
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w") as archive:
            for name, held in entries.items():
                archive.writestr(name, held)
        yield made.getvalue()
    yield claiming_array("(1000000000, 1000000000)", b"")
    yield claiming_array("(0, 9999999999999999999)", b"")
    yield claiming_array("(-1, 3)", b"")
    yield claiming_array("(" * 300 + "1" + ",)" * 300, b"")
    yield claiming_array("(4,)", b"0" * 16, descr="'|O'")
    yield bomb(64 * 2**20)
    yield many_entries(20_000)


def claiming_array(shape: str, body: bytes, descr: str = "'<f4'") -> bytes:
    """An archive with an array whose header says a shape that its bytes do not have."""
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("face_vertices", "coefficients", "neutral", "face_json"):
            archive.writestr(f"{name}.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + body)
    return made.getvalue()


def bomb(size: int) -> bytes:
    """A small archive that unpacks to much, and says that it does not."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("face_vertices.npy", b"\x93NUMPY\x01\x00" + b"\0" * size)
    data = bytearray(made.getvalue())
    at = data.rfind(b"PK\x01\x02") + 24
    data[at : at + 4] = (100).to_bytes(4, "little")
    return bytes(data)


def many_entries(count: int) -> bytes:
    """An archive of very many arrays."""
    one = io.BytesIO()
    np.save(one, np.zeros(0))
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for k in range(count):
            archive.writestr(f"{k}.npy", one.getvalue())
    return made.getvalue()


# --- Sound.


def wav(
    channels: int = 1,
    rate: int = 16_000,
    bits: int = 16,
    seconds: float = 0.2,
    tag: int = 1,
    claimed: int | None = None,
) -> bytes:
    """A WAV file of noise; ``claimed`` bytes of sound in its header."""
    frame = channels * bits // 8
    body = np.random.default_rng(0).bytes(int(min(seconds * max(rate, 1000), 64_000)) * max(frame, 1))
    size = len(body) if claimed is None else claimed
    speed = rate * frame % 2**32
    fmt = struct.pack("<HHIIHH", tag, channels, rate, speed, frame % 65_536, bits)
    return (
        b"RIFF"
        + struct.pack("<I", (36 + size) % 2**32)
        + b"WAVEfmt "
        + struct.pack("<I", 16)
        + fmt
        + (b"data" + struct.pack("<I", size) + body)
    )


def sounds() -> Iterator[bytes]:
    """WAV files of kinds that nobody records."""
    for channels in (0, 2, 7, 8, 9, 16, 63, 64, 65, 255, 65_535):
        yield wav(channels, seconds=0.02)
    for rate in (0, 1, 100, 999, 1000, 768_000, 10**9, 2**32 - 1):
        yield wav(rate=rate)
    for bits in (0, 1, 8, 12, 24, 32, 64, 65_535):
        yield wav(bits=bits)
    for tag in (0, 2, 3, 6, 7, 17, 49, 80, 85, 0xFFFE, 0xFFFF):
        yield wav(tag=tag)
    for claimed in (0, 1, 2**31, 2**32 - 1):
        yield wav(claimed=claimed)
    yield wav(tag=3, bits=32)
    broken = np.array([np.nan, np.inf, -np.inf, 1e38] * 2000, "<f4").tobytes()
    head = wav(tag=3, bits=32, seconds=0.0)
    yield head[:40] + struct.pack("<I", len(broken)) + broken
    yield b"ffconcat version 1.0\nfile /etc/passwd\n"
    yield b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n"
    yield b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"
    yield b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\ninput.wav\n"
    yield packed_matroska(1.0)
    yield b'<?xml version="1.0"?><MPD><Period><BaseURL>http://127.0.0.1:9/</BaseURL></Period></MPD>'
    yield b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 9 RTP/AVP 0\n"


# --- Meshes.


def obj() -> Iterator[bytes]:
    """Wavefront OBJ."""
    yield b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 99999999999999999999\n"
    yield b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 2147483647\n"
    yield b"v 0 0 0\n" * 600_000
    yield b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf " + b"1 2 3 " * 300_000 + b"\n"
    yield b"\\\n" * 200_000
    for name in (
        b"/etc/passwd",
        b"../" * 200 + b"etc/passwd",
        b"a" * 400,
        b"\0",
        b"http://127.0.0.1:9/x.mtl",
        b"loop.mtl",
    ):
        yield b"mtllib " + name + b"\nv 0 0 0\nv 1 0 0\nv 0 1 0\nusemtl a\nf 1 2 3\n"


def ply() -> Iterator[bytes]:
    """PLY headers that claim much."""
    plain = "ply\nformat {} 1.0\nelement vertex {}\nproperty {} x\nproperty float y\nproperty float z\n{}end_header\n"
    for order in ("ascii", "binary_little_endian", "binary_big_endian"):
        for count in (0, -1, 10**9, 10**12, 10**30):
            for faces in ("", f"element face {count}\nproperty list uchar int vertex_indices\n"):
                yield plain.format(order, count, "float", faces).encode() + b"0 0 0\n" * 10
    yield plain.format("ascii", 3, "list int int", "").encode() + b"1000000000 1 2 3\n"
    empty = "ply\nformat ascii 1.0\nelement vertex 1000000000\nelement face 1000000000\nend_header\n"
    yield empty.encode()
    lists = "ply\nformat binary_little_endian 1.0\nelement vertex 1000000000\nproperty list uchar float x\nend_header\n"
    yield lists.encode() + b"\0" * 1_000_000


def gltf() -> Iterator[bytes]:
    """glTF documents that claim much, name other files, or go round in circles."""

    def document(**changed: object) -> bytes:
        plain: dict[str, object] = {
            "asset": {"version": "2.0"},
            "scene": 0,
            "scenes": [{"nodes": [0]}],
            "nodes": [{"mesh": 0}],
            "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
            "accessors": [{"componentType": 5126, "count": 3, "type": "VEC3"}],
        }
        return json.dumps({**plain, **changed}).encode()

    claim = {"componentType": 5126, "type": "VEC3"}
    for count in (0, -1, 10**8, 8 * 10**6, 10**18, 1e30, "3", None, 2.5):
        yield document(accessors=[{**claim, "count": count}])
    targets = [{"POSITION": 0}] * 5000
    yield document(
        accessors=[{**claim, "count": 400_000}],
        meshes=[{"primitives": [{"attributes": {"POSITION": 0}, "targets": targets}]}],
    )
    yield document(nodes=[{"mesh": 0, "children": [0]}])
    yield document(nodes=[{"mesh": 0, "children": [1]}, {"children": [0]}])
    yield document(nodes=[{"mesh": 0}] * 20_000, scenes=[{"nodes": list(range(20_000))}])
    for uri in (
        "/etc/passwd",
        "../x.bin",
        "http://127.0.0.1:9/x",
        "file:///etc/passwd",
        "data:;base64,!",
        "\0",
        "a" * 400,
        "loop.bin",
    ):
        view = [{"buffer": 0, "byteLength": 36}]
        yield document(
            buffers=[{"uri": uri, "byteLength": 36}],
            bufferViews=view,
            accessors=[{**claim, "count": 3, "bufferView": 0}],
        )
    sparse = {"count": 10**9, "indices": {"bufferView": 0, "componentType": 5125}, "values": {"bufferView": 0}}
    yield document(accessors=[{**claim, "count": 3, "sparse": sparse}])


def glb() -> Iterator[bytes]:
    """GLB files with wrong sizes, and all of ``gltf``."""
    for text in gltf():
        text += b" " * (-len(text) % 4)
        yield struct.pack("<4sII", b"glTF", 2, 20 + len(text)) + struct.pack("<I4s", len(text), b"JSON") + text
    yield struct.pack("<4sII", b"glTF", 2, 2**32 - 1) + struct.pack("<I4s", 2**32 - 1, b"JSON") + b"{}"
    yield struct.pack("<4sII", b"glTF", 2, 20) + struct.pack("<I4s", 0, b"JSON")
    yield struct.pack("<4sII", b"glTF", 1, 12)


def stl() -> Iterator[bytes]:
    """STL files that claim much."""
    for count in (0, 1, 10**8, 2**32 - 1):
        yield b"\0" * 80 + struct.pack("<I", count) + b"\0" * 50
    yield b"solid x\n" + b"facet normal 0 0 0\n outer loop\n" * 10_000
    yield b"solid x\nfacet normal nan nan nan\nouter loop\nvertex 1e999 0 0\nvertex 0 1 0\nvertex 0 0 1\nendloop\nendfacet\n"


def off() -> Iterator[bytes]:
    """OFF files that claim much, or name vertices that are not there."""
    for counts in (b"0 0 0", b"100000000 1 0", b"3 4294967295 0", b"-3 -1 0", b"nan 1 0"):
        yield b"OFF\n" + counts + b"\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n"
    for face in (b"3 0 1 7", b"3 0 -1 2", b"1000000000 0 1 2", b"2 0 1", b"3 0 1 nan"):
        yield b"OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n" + face + b"\n"
    yield b"OFF\n3 1 0\n1e999 0 0\nnan 0 0\n0 1 0\n3 0 1 2\n"


def usda() -> Iterator[bytes]:
    """USD files that refer elsewhere, claim, or nest."""
    head = b"#usda 1.0\n"
    yield head + b'def Mesh "m" (references = @/etc/passwd@) {}\n'
    yield head + b'(subLayers = [@http://127.0.0.1:9/x.usda@])\ndef Mesh "m" {}\n'
    yield head + b'def Mesh "m" (references = @./hostile.usda@</m>) {}\n'
    yield head + b'def "a" {\n' * 3000 + b"}\n" * 3000
    yield (
        head
        + b'def Mesh "m" { point3f[] points = [(0,0,0)]\nint[] faceVertexCounts = [1000000000]\nint[] faceVertexIndices = [0] }\n'
    )


# --- Tracks and tables.


def textgrid() -> Iterator[bytes]:
    """TextGrids that claim many intervals."""
    for count in (10**9, -1, 10**30, 0):
        yield (
            'File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0\nxmax = 1\ntiers? <exists>\nsize = 1\nitem []:\n'
            f'item [1]:\nclass = "IntervalTier"\nname = "emotion"\nxmin = 0\nxmax = 1\nintervals: size = {count}\n'
            'intervals [1]:\nxmin = 0\nxmax = 1\ntext = "happy"\n'
        ).encode()
    yield b'"TextGrid"' + b'"' * 100_000
    yield b'"TextGrid" ' + b'"IntervalTier" "emotion" 0 1 1000000 ' * 3000


def long_tables() -> dict[str, bytes]:
    """A million rows, by the suffix of the format."""
    count = 200_000
    return {
        ".csv": b"start,end,label\n" + b"0,1,happy\n" * count,
        ".txt": b"0\t1\thappy\n" * MANY,
        ".rttm": b"SPEAKER x 1 0 1 <NA> <NA> happy <NA> <NA>\n" * count,
        ".json": b"[" + b",".join([b'{"start":0,"end":1,"label":"happy"}'] * count) + b"]",
        ".ctm": b"x 1 0 1 word\n" * MANY,
        ".srt": b"1\n00:00:00,000 --> 00:00:01,000\nword\n\n" * count,
        ".vtt": b"WEBVTT\n\n00:00.000 --> 00:01.000\n" + b"<00:00.500>a " * count,
    }


def tables() -> Iterator[bytes]:
    """Odd CSV files."""
    yield b"start,end,label\n0,1," + b"x" * 200_000 + b"\n"
    yield b'start,end,label\n0,1,"' + b"x\n" * 200_000
    yield b"start,end,label\n0,1\n"
    yield b"start,end,label\n0,1,happy,1,1,1,1,1\n"
    yield b"start;end;label\n0,5;1e999;happy\n"
    yield b"start,end,label\n0,1e9,happy\n"
    yield b"start,end,label\n0,1e300,happy\n"
    yield b"," * 1_000_000
    yield b"start,start,end,label\n0,0,1,happy\n"
