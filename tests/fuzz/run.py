"""Give bad inputs to every reader, for some seconds: ``python -m tests.fuzz.run --seconds 600``, or ``make fuzz``.

With atheris installed the inputs are chosen by the code that they reach, else by chance; ``--unguided`` is by chance
alone and gives the same inputs for the same seed. Exit code 1 where anything happens but acceptance and a refusal in
one line; the inputs that showed it are in ``build/fuzz``. ``--replay FILE --only TARGET`` reads one of them again.
"""

from __future__ import annotations

import argparse
import mmap
import os
import shutil
import signal
import struct
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

LONGEST = 10.0
"""Seconds of a processor that one input may take."""
WAITING = 60.0
"""Seconds that it may wait, but for a processor, which other programs may have."""
LIMIT = 2 * 2**30
"""Bytes of memory that reading one input may take."""
MOST_DEATHS = 20
"""Crashes and hangs after which a target is left alone."""
BAD = ("exception", "lines", "hang", "crash", "memory", "leftover")
"""Outcomes that are faults."""
FOLLOWED = (
    "sedtalker.animation.animation",
    "sedtalker.animation.style",
    "sedtalker.audio",
    "sedtalker.batch",
    "sedtalker.checkpoint",
    "sedtalker.emotion.formats",
    "sedtalker.emotion.taxonomy",
    "sedtalker.errors",
    "sedtalker.foreign_weights",
    "sedtalker.face.blend_shapes",
    "sedtalker.face.given_landmarks",
    "sedtalker.face.sedface",
    "sedtalker.live.senders",
    "sedtalker.mesh.files",
    "sedtalker.mesh.gltf",
    "sedtalker.mesh.gltf_file",
    "sedtalker.mesh.obj",
    "sedtalker.mesh.ply",
    "sedtalker.mesh.usd",
    "sedtalker.reading",
    "sedtalker.server.options",
    "sedtalker.storage",
    "sedtalker.studio.document",
    "sedtalker.studio.edits",
    "sedtalker.studio.project",
    "sedtalker.phonetics.words",
    "sedtalker.training.corpora.meshes.pickles",
)
"""Modules that read, which are imported before anything is tried; atheris follows them and those that they import."""


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of all targets together")
    parser.add_argument("--inputs", type=int, default=10**9, help="at most so many of each target")
    parser.add_argument("--seed", type=int, default=None, help="default: another one every day")
    parser.add_argument("--only", action="append", help="a target; repeatable")
    parser.add_argument("--unguided", action="store_true")
    parser.add_argument("--no-hostile", action="store_true", help="without the inputs made by hand")
    parser.add_argument("--faults", type=Path, default=Path("build/fuzz"))
    parser.add_argument("--replay", type=Path)
    options = parser.parse_args(arguments)
    os.environ["OMP_NUM_THREADS"] = "1"
    guided = not options.unguided and options.replay is None and find_spec("atheris") is not None
    with ExitStack() as stack:
        if guided:
            import atheris

            followed = atheris.instrument_imports(["sedtalker"], _compiled(), enable_loader_override=False)
            stack.enter_context(followed)
        from tests.fuzz.targets import TARGETS

        targets = [t for t in TARGETS if not options.only or t.name in options.only]
        if options.replay is not None:
            return _replay(targets, options.replay.read_bytes())
        _import_all()
    seed = int(time.time() // 86_400) if options.seed is None else options.seed
    print(
        f"{len(targets)} readers, {options.seconds:g} s, seed {seed}, {'guided by atheris' if guided else 'by chance'}"
    )
    return _run_all(targets, options, seed, guided)


def _compiled() -> list[str]:
    """Modules of the package that numba compiles: their code must stay as it is."""
    package = Path(__file__).parents[2] / "sedtalker"
    marks = ("njit", "@kernel", "@part_of_kernel")
    texts = {path: path.read_text(encoding="utf-8") for path in package.rglob("*.py")}
    paths = [path for path, text in texts.items() if any(mark in text for mark in marks)]
    return [".".join(path.relative_to(package.parent).with_suffix("").parts) for path in paths]


def _import_all() -> None:
    """Import what readers need before children are made, which then begin at once."""
    import importlib

    for name in FOLLOWED:
        importlib.import_module(name)
    import av
    import torch
    import trimesh  # noqa: F401

    av.logging.set_level(None)
    torch.set_num_threads(1)


def _replay(targets: list, data: bytes) -> int:
    """Read one input here, with a traceback where it fails."""
    from sedtalker.errors import InputError

    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for target in targets:
            try:
                target.read(data)
                print(f"{target.name}: accepted")
            except InputError as error:
                print(f"{target.name}: refused: {error}")
        os.chdir("/")
    return 0


def _run_all(targets: list, options: argparse.Namespace, seed: int, guided: bool) -> int:
    from tests.fuzz.child import Tally

    shutil.rmtree(options.faults, ignore_errors=True)
    whole, shares = Tally(), sum(target.share for target in targets)
    print(f"{'reader':<28}{'inputs':>8}{'accepted':>10}{'refused':>9}  faults")
    ends = time.monotonic() + options.seconds
    for target in targets:
        seconds = max(ends - time.monotonic(), 0.0) * target.share / max(shares, target.share)
        shares -= target.share
        tally = fuzz(target, seconds, options.inputs, seed, options.faults.absolute(), guided, not options.no_hostile)
        said = ", ".join(f"{tally.outcomes[kind]} {kind}" for kind in BAD if tally.outcomes[kind]) or "none"
        row = f"{target.name:<28}{tally.inputs:>8}{tally.outcomes['accepted']:>10}{tally.outcomes['refused']:>9}"
        print(f"{row}  {said}", flush=True)
        for fault in tally.found:
            print(f"    {fault.kind}: {fault.where}: {fault.detail.strip().splitlines()[-1][:160]} [{fault.digest}]")
        whole.merge(tally)
    faults = sum(whole.outcomes[kind] for kind in BAD)
    accepted, refused = whole.outcomes["accepted"], whole.outcomes["refused"]
    print(f"{whole.inputs} inputs, {accepted} accepted, {refused} refused, {faults} faults")
    if whole.found:
        with (options.faults / "faults.txt").open("w") as file:
            for fault in whole.found:
                file.write(f"{fault.target}: {fault.kind}: {fault.where} [{fault.digest}]\n{fault.detail}\n\n")
        print(f"the inputs are in {options.faults}")
    return 1 if whole.found else 0


def fuzz(target, seconds: float, most: int, seed: int, kept: Path, guided: bool = False, hostile: bool = True):
    """Try one target in child processes; a child that dies is followed by another one.

    Args:
        target: what is tried.
        seconds, most: the limits, whichever comes first.
        seed: of chance.
        kept: folder for inputs that show faults.
        guided: whether atheris chooses.
        hostile: whether the inputs made by hand are tried, too.

    Returns:
        the tally.
    """
    from tests.fuzz.child import BEGIN, SHARED, Found, Tally, keep, run

    whole, ends, number, skip = Tally(), time.monotonic() + seconds, 0, 0
    with tempfile.TemporaryDirectory(prefix="fuzz-") as root, mmap.mmap(-1, SHARED) as shared:
        while number == 0 or (number <= MOST_DEATHS and time.monotonic() < ends and whole.inputs < most):
            shared[: BEGIN.size] = bytes(BEGIN.size)
            read_end, write_end = os.pipe()
            child = os.fork()
            if child == 0:
                status = 70
                try:
                    os.close(read_end)
                    run(
                        target,
                        shared,
                        Path(root) / str(number),
                        kept,
                        write_end,
                        seed=seed + (1000 * number if guided else 0),
                        seconds=max(ends - time.monotonic(), 0.5),
                        most=most,
                        hostile=hostile and (not guided or number == 0),
                        limit=LIMIT,
                        guided=guided,
                        skip=skip,
                    )
                except BaseException:
                    import traceback

                    (Path(root) / "died").write_text(traceback.format_exc())
                    status = 71
                finally:
                    os._exit(status)
            os.close(write_end)
            died = _watch(child, shared)
            with os.fdopen(read_end) as stream:
                text = stream.read()
            if text:
                whole.merge(Tally.from_json(text))
                break
            data = _last(shared)
            if died == "exit 71":
                raise RuntimeError((Path(root) / "died").read_text())
            if guided and died.startswith("exit") and not struct.unpack("<d", shared[:8])[0]:
                number += 1  # it ended between two inputs: the engine did, not the reader
                continue
            kind = "hang" if died == "hang" else "crash"
            digest = keep(kept, target.name, kind, data)
            said = _tail(Path(root) / str(number) / "said")
            fault = Found(target.name, kind, f"{died} {digest}", f"{said}\n{len(data)} bytes", digest)
            lost = Tally(1, Counter({kind: 1}), [fault])
            whole.merge(lost)
            ends += LONGEST if kind == "hang" else 0.0
            skip = _number(target, seed, hostile, data, skip) if not guided else 0
            number += 1
    return whole


def _number(target, seed: int, hostile: bool, data: bytes, skip: int) -> int:
    """Where the inputs go on after one that killed the child."""
    from tests.fuzz.child import inputs

    for number, made in enumerate(inputs(target, seed, hostile)):
        if number >= skip and made[: len(data)] == data and len(made) >= len(data):
            return number + 1
        if number > skip + 200_000:
            return skip
    return skip


def _watch(child: int, shared: mmap.mmap) -> str:
    """Wait for the child; kill it when one input takes too long. How it ended."""
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"exit {os.WEXITSTATUS(status)}"
        if _took_too_long(child, shared):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return "hang"
        time.sleep(0.02)


def _took_too_long(child: int, shared: mmap.mmap) -> bool:
    """Whether the input that a child reads is one that makes it hang."""
    from tests.fuzz.child import BEGIN, queued_seconds

    began, worked, queued, _ = BEGIN.unpack(shared[: BEGIN.size])
    if not began:
        return False
    works = _processor_seconds(child) - worked
    return works > LONGEST or time.monotonic() - began - works - (queued_seconds(child) - queued) > WAITING


def _tail(file: Path) -> str:
    """The end of what a child said before it died."""
    return file.read_bytes()[-2000:].decode("utf-8", "replace") if file.is_file() else ""


def _processor_seconds(process: int) -> float:
    """Seconds that a process has computed."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _last(shared: mmap.mmap) -> bytes:
    """The input that was being read."""
    from tests.fuzz.child import BEGIN, SHARED

    *_, length = BEGIN.unpack(shared[: BEGIN.size])
    return shared[BEGIN.size : BEGIN.size + min(length, SHARED - BEGIN.size)]


if __name__ == "__main__":
    sys.exit(main())
