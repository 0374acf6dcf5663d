"""The manifest: run the cases, hash what they wrote, compare with what is kept."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from tests.golden.cases import CASES, Case, prepare

MANIFEST = Path(__file__).with_name("manifest.json")
LIBRARIES = (
    "numpy", "scipy", "onnxruntime", "torch", "numba", "av", "soxr", "usd-core", "safetensors", "matplotlib", "pillow"
)  # fmt: skip
"""Libraries whose versions decide the last bits."""


def versions() -> dict[str, str]:
    """What the hashes depend on beside the code: Python, processor and libraries."""
    import torch

    found = {"python": ".".join(map(str, sys.version_info[:2])), "machine": platform.machine()}
    found["instructions"] = torch.backends.cpu.get_cpu_capability()
    found["processor"] = _processor()
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "absent"
    return found


def _processor() -> str:
    """A name for the kind of processor: onnxruntime chooses its kernels by more instruction sets than torch names."""
    described = Path("/proc/cpuinfo")
    if not described.is_file():
        return platform.processor()
    lines = described.read_text(encoding="utf-8").splitlines()
    return hashlib.sha256(
        "\n".join(sorted({x for x in lines if x.startswith(("model", "flags"))})).encode()
    ).hexdigest()[:8]


def made(folder: Path, only: str = "", progress: bool = False) -> dict[str, dict[str, str]]:
    """Run the cases in an empty folder and hash their outputs.

    Args:
        folder: where clips, caches and outputs are written.
        only: run only cases whose names contain this.
        progress: print each case's name to standard error.

    Returns:
        ``given`` and ``diarizer``: hash by name of output.
    """
    with _inside(folder):
        prepare(folder)
        found: dict[str, dict[str, str]] = {"given": {}, "diarizer": {}}
        for case in _wanted(only):
            if progress:
                print(case.name, file=sys.stderr)
            found["diarizer" if case.diarized else "given"].update(_outputs(case))
    return found


def differences(kept: dict[str, dict[str, str]], found: dict[str, dict[str, str]], only: str = "") -> list[str]:
    """What differs, a line an output, the section first; with ``only``, of the outputs that were made alone."""
    lines = []
    for section in ("given", "diarizer"):
        old, new = kept[section], found[section]
        for name in sorted(old.keys() | new.keys()):
            if name not in new and only:
                continue
            if old.get(name) != new.get(name):
                how = "is new" if name not in old else "is gone" if name not in new else "differs"
                lines.append(f"{section}: {name} {how}")
    return lines


def _wanted(only: str) -> Sequence[Case]:
    """The cases whose names contain ``only``, after those whose files they read."""
    wanted = {case.name for case in CASES if only in case.name}
    for case in reversed(CASES):
        if case.name in wanted:
            read = [word.split("/")[1] for word in case.command if word.startswith("out/")]
            wanted.update(read)
    return [case for case in CASES if case.name in wanted]


def _outputs(case: Case) -> dict[str, str]:
    from typer.testing import CliRunner

    from sedtalker.cli.main import app

    out = Path("out") / case.name
    out.mkdir(parents=True)
    if case.call is not None:
        case.call(out)
    else:
        done = CliRunner().invoke(app, [word.replace("{out}", str(out)) for word in case.command])
        if done.exit_code != 0:
            return {case.name: f"exit code {done.exit_code}: {done.stderr.strip()[-200:]} {done.exception or ''}"}
    files = [path for path in sorted(out.rglob("*")) if path.is_file()]
    if not files:
        return {case.name: hashlib.sha256(done.stdout_bytes).hexdigest()}
    found = {}
    for path in files:
        name = f"{case.name}/{path.relative_to(out)}"
        found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        if path.suffix == ".npz":
            with np.load(path) as arrays:
                motion = b"".join(arrays[key].tobytes() for key in ("coefficients", "head_rotation"))
            found[f"{name}:motion"] = hashlib.sha256(motion).hexdigest()
    return found


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    """Work in ``folder``, with caches of its own, so that no result comes out of an older cache."""
    before, cache = Path.cwd(), os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
        del os.environ["XDG_CACHE_HOME"]
        if cache is not None:
            os.environ["XDG_CACHE_HOME"] = cache


def read_manifest() -> dict[str, dict[str, str]]:
    """The manifest that is kept: ``versions``, ``given`` and ``diarizer``."""
    return dict(json.loads(MANIFEST.read_text(encoding="utf-8")))


def write_manifest(found: dict[str, dict[str, str]]) -> None:
    """Keep these hashes, with the versions they were made with."""
    text = json.dumps({"versions": versions(), **found}, indent=1, sort_keys=True)
    MANIFEST.write_text(text + "\n", encoding="utf-8")
