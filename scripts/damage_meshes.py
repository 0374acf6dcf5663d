"""Give `sedtalker mesh register` broken meshes: none may end in a traceback, a crash or a hang.

python scripts/damage_meshes.py [--count 300] [--mesh head.obj] [--json]

Each damaged file is made from one sound head by a numbered recipe, the same every time, and registered by the command
itself in a process of its own, in 60 seconds of one core at most. Well is: a result (exit 0), or exit 2 with one line
and no result. The head is reduced to some 3,000 triangles first, so that 300 take minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import multiprocessing
import resource
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sedtalker.animation.animation import Animation
from sedtalker.arrays import Floats, Ints
from sedtalker.export.glb import write_glb
from sedtalker.face.face import Face
from sedtalker.mesh.files import read_mesh, write_obj
from sedtalker.mesh.mesh import Mesh, from_triangles

SECONDS = 60  # of processor time, lest a busy machine counts
WAIT = 600.0
SAMPLE = Path(__file__).parents[1] / "data" / "samples" / "head.obj"
Rng = np.random.Generator


def sound_files(mesh: Mesh, folder: Path, usd: bool = True) -> list[Path]:
    """The head in every format that is read: its triangles, and in GLB and USD also two morph targets."""
    import trimesh

    plain = from_triangles(mesh.vertices, mesh.triangles)
    basis = np.zeros((2, len(mesh.vertices), 3), np.float32)
    basis[:, ::7, 1] = 0.01 * float(np.ptp(mesh.vertices))
    face = Face("head", replace(plain, colours=mesh.colours), ("jawOpen", "mouthClose"), basis)
    write_obj(mesh, folder / "head.obj")
    write_glb(folder / "head.glb", face)
    solid = trimesh.Trimesh(mesh.vertices, mesh.triangles, process=False)
    for name, how in (("head.stl", {}), ("head.ply", {}), ("text.ply", {"encoding": "ascii"})):
        solid.export(folder / name, **how)
    files = [folder / name for name in ("head.obj", "head.glb", "head.stl", "head.ply", "text.ply")]
    with contextlib.suppress(ImportError):
        if not usd:
            return files
        import pxr  # noqa: F401

        from sedtalker.export.usd import write_usd

        still = Animation(np.zeros((1, 2), np.float32), 30.0, face, np.zeros((1, 3), np.float32))
        for name in ("head.usdc", "head.usda"):
            write_usd(folder / name, still, targets="all")
            files.append(folder / name)
    return files


def cut_off(data: bytearray, rng: Rng) -> bytes:
    """The file ends too soon."""
    return bytes(data[: int(rng.integers(0, len(data)))])


def flipped(data: bytearray, rng: Rng) -> bytes:
    """Random bytes at random places."""
    for place in rng.integers(0, len(data), int(rng.integers(1, 60))):
        data[place] = int(rng.integers(256))
    return bytes(data)


def flipped_head(data: bytearray, rng: Rng) -> bytes:
    """Random bytes where formats say what follows."""
    for place in rng.integers(0, min(len(data), 400), int(rng.integers(1, 8))):
        data[place] = int(rng.integers(256))
    return bytes(data)


def holed(data: bytearray, rng: Rng) -> bytes:
    """A stretch of zeros."""
    start = int(rng.integers(0, len(data)))
    stop = min(len(data), start + int(rng.integers(1, 5000)))
    data[start:stop] = bytes(stop - start)
    return bytes(data)


def digits_changed(data: bytearray, rng: Rng) -> bytes:
    """Other digits: the file stays readable, its numbers are wrong."""
    places = [k for k, byte in enumerate(data) if 48 <= byte <= 57]
    for place in rng.choice(places, min(len(places), int(rng.integers(1, 300)))) if places else ():
        data[int(place)] = int(rng.integers(48, 58))
    return bytes(data)


BYTES: tuple[Callable[[bytearray, Rng], bytes], ...] = (cut_off, flipped, flipped_head, holed, digits_changed)


def some(count: int, rng: Rng) -> np.ndarray:
    """A few of ``count`` things."""
    return rng.choice(count, int(rng.integers(1, max(2, count // 20))), replace=False)


def odd_numbers(mesh: Mesh, rng: Rng) -> Mesh:
    """NaN, infinite, huge or minute coordinates."""
    vertices = mesh.vertices.astype(np.float64)
    vertices[some(len(vertices), rng)] = rng.choice([np.nan, np.inf, -np.inf, 1e30, 1e300, -1e12, 1e-30])
    with np.errstate(over="ignore"):
        return mesh.with_vertices(vertices.astype(np.float32))


def other_scale(mesh: Mesh, rng: Rng) -> Mesh:
    """The whole mesh huge, minute, far away, flat, at one point or shaken."""
    vertices, kind = mesh.vertices.astype(np.float64), int(rng.integers(6))
    size = float(np.ptp(vertices))
    if kind == 0:
        vertices *= 10.0 ** rng.uniform(5, 35)
    elif kind == 1:
        vertices *= 10.0 ** -rng.uniform(5, 40)
    elif kind == 2:
        vertices += size * 10.0 ** rng.uniform(2, 9)
    elif kind == 3:
        vertices[:, int(rng.integers(3))] = 0.0
    elif kind == 4:
        vertices[:] = vertices[0]
    else:
        vertices += rng.normal(scale=size * 10.0 ** -rng.uniform(0.5, 3), size=vertices.shape)
    with np.errstate(over="ignore"):
        return mesh.with_vertices(vertices.astype(np.float32))


def wrong_corners(mesh: Mesh, rng: Rng) -> Mesh:
    """Corners beyond the vertices, swapped, or the same again."""
    corners = mesh.polygon_vertices.copy()
    chosen = some(len(corners), rng)
    corners[chosen] = rng.choice([len(mesh.vertices), 2**31 - 2, 0, int(rng.integers(len(mesh.vertices)))])
    return replace(mesh, polygon_vertices=corners)


def fewer_polygons(mesh: Mesh, rng: Rng) -> Mesh:
    """Most polygons gone, or all but three."""
    kept = rng.uniform(size=len(mesh.triangles)) > rng.uniform(0.1, 1.05)
    kept[:3] = True
    return from_triangles(mesh.vertices, mesh.triangles[kept])


def soup(mesh: Mesh, rng: Rng) -> Mesh:
    """Every triangle with vertices of its own, some turned over, some away."""
    triangles = mesh.triangles[rng.permutation(len(mesh.triangles))]
    turned = rng.uniform(size=len(triangles)) < rng.uniform(0, 1)
    triangles = np.where(turned[:, None], triangles[:, ::-1], triangles)
    vertices = mesh.vertices[triangles].reshape(-1, 3)
    apart = float(rng.choice([0.0, 1e-6, 1e-3])) * float(np.ptp(vertices))
    vertices = vertices + np.repeat(rng.normal(scale=apart, size=(len(triangles), 3)), 3, axis=0)
    return from_triangles(vertices.astype(np.float32), np.arange(len(vertices), dtype=np.int32).reshape(-1, 3))


def doubled(mesh: Mesh, rng: Rng) -> Mesh:
    """Every polygon several times, with its own vertices or the same."""
    times = int(rng.integers(2, 5))
    if rng.uniform() < 0.5:
        return from_triangles(mesh.vertices, np.tile(mesh.triangles, (times, 1)))
    triangles = np.concatenate([mesh.triangles + k * len(mesh.vertices) for k in range(times)])
    return from_triangles(np.tile(mesh.vertices, (times, 1)), triangles.astype(np.int32))


def monster_polygon(mesh: Mesh, rng: Rng) -> Mesh:
    """Polygons with thousands of corners, and without area."""
    corners = rng.integers(0, len(mesh.vertices), int(rng.integers(5, 5000))).astype(np.int32)
    flat = np.repeat(some(len(mesh.vertices), rng), 3).astype(np.int32)
    return Mesh(
        mesh.vertices,
        np.concatenate([mesh.polygon_sizes, [len(corners)], np.full(len(flat) // 3, 3)]).astype(np.int32),
        np.concatenate([mesh.polygon_vertices, corners, flat]),
    )


def strays(mesh: Mesh, rng: Rng) -> Mesh:
    """Vertices in no polygon, polygons far away."""
    away = mesh.vertices[:3] + float(np.ptp(mesh.vertices)) * 10.0 ** rng.uniform(0, 6)
    count = len(mesh.vertices)
    loose = rng.normal(scale=float(np.ptp(mesh.vertices)), size=(int(rng.integers(1, 500)), 3))
    triangles: Ints = np.concatenate([mesh.triangles, [[count, count + 1, count + 2]]]).astype(np.int32)
    vertices: Floats = np.concatenate([mesh.vertices, away, loose]).astype(np.float32)
    return from_triangles(vertices, triangles)


SHAPES: tuple[Callable[[Mesh, Rng], Mesh], ...] = (
    odd_numbers, other_scale, wrong_corners, fewer_polygons, soup, doubled, monster_polygon, strays,
)  # fmt: skip


@dataclass(frozen=True)
class Damaged:
    """A damaged file: what was done to which one."""

    name: str
    recipe: str
    data: bytes


def damaged_files(mesh: Mesh, count: int, folder: Path, usd: bool = True) -> Iterator[Damaged]:
    """Damaged files by number: three in five broken bytes of a sound file, the others files of broken meshes."""
    files = sound_files(mesh, folder, usd)
    for number in range(count):
        rng = np.random.default_rng(number)
        if number % 5 < 3:
            file, recipe = files[number % len(files)], BYTES[(number // 5) % len(BYTES)]
            yield Damaged(f"{number:03d}{file.suffix}", recipe.__name__, recipe(bytearray(file.read_bytes()), rng))
            continue
        change = SHAPES[(number // 5 * 2 + number % 5) % len(SHAPES)]
        path = folder / "changed.obj"
        write_obj(change(mesh, rng), path)
        yield Damaged(f"{number:03d}.obj", change.__name__, path.read_bytes())


def attempt(path: Path, folder: Path, result_queue: Any, seconds: int | None = SECONDS) -> None:
    """Register one file with the command and put its exit code and what it wrote on stderr into the queue."""
    from typer.testing import CliRunner

    from sedtalker.cli.main import app

    if seconds is not None:
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    done = CliRunner().invoke(app, ["mesh", "register", str(path), "-o", str(folder / "a.sedface"), "-q", "--force"])
    trace = "" if done.exception is None or isinstance(done.exception, SystemExit) else repr(done.exception)
    result_queue.put((done.exit_code, done.stderr, trace))


def outcome(case: Damaged, folder: Path) -> str:
    """``registered``, ``refused``, or what went wrong."""
    path, result = folder / case.name, folder / "a.sedface"
    path.write_bytes(case.data)
    result.unlink(missing_ok=True)
    context = multiprocessing.get_context("fork")
    result_queue = context.SimpleQueue()
    process = context.Process(target=attempt, args=(path, folder, result_queue))
    process.start()
    process.join(WAIT)
    if process.is_alive() or process.exitcode in (-signal.SIGXCPU, -signal.SIGKILL):
        process.kill()
        process.join()
        return f"hung for {SECONDS} s"
    path.unlink()
    if result_queue.empty():
        return f"crashed: exit {process.exitcode}"
    code, stderr, trace = result_queue.get()
    if code == 0 and result.is_file():
        return "registered"
    if code == 2 and stderr.count("\n") == 1 and stderr.startswith("error: ") and not result.exists():
        return "refused"
    return f"exit {code}: {trace or stderr!r}"


def reduced(mesh: Mesh, triangles: int) -> Mesh:
    """A mesh of about so many triangles."""
    import igl

    if len(mesh.triangles) <= triangles:
        return mesh
    done = igl.decimate(mesh.vertices.astype(np.float64), mesh.triangles.astype(np.int64), triangles)
    vertices, corners = [part for part in done if isinstance(part, np.ndarray)][:2]
    return from_triangles(vertices.astype(np.float32), corners.astype(np.int32))


def main() -> None:
    """Damage, register, count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--mesh", type=Path, default=SAMPLE)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    found: Counter[str] = Counter()
    bad: dict[str, str] = {}
    import torch

    torch.set_num_threads(1)  # forked processes wait for each other otherwise
    with tempfile.TemporaryDirectory() as name, contextlib.redirect_stdout(io.StringIO()):
        folder = Path(name)
        mesh = reduced(read_mesh(chosen.mesh), 3000)
        write_obj(mesh, folder / "sound.obj")
        attempt(folder / "sound.obj", folder, multiprocessing.SimpleQueue(), None)  # what is compiled or read once
        for case in damaged_files(mesh, chosen.count, folder):
            result = outcome(case, folder)
            found[result if result in ("registered", "refused") else "bad"] += 1
            if result not in ("registered", "refused"):
                bad[f"{case.name} ({case.recipe})"] = result
            print(f"{case.name} {case.recipe}: {result}", file=sys.stderr)
    summary = {"meshes": chosen.count, **{key: found[key] for key in ("registered", "refused", "bad")}, "which": bad}
    print(json.dumps(summary, indent=2) if chosen.json else summary)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
