"""The process in which one target reads bad inputs: a folder of its own, bounded memory, nothing said twice.

The parent and the child share a piece of memory. The child writes there what it reads before it reads it, so that the
parent knows the input that killed the child or made it wait.
"""

from __future__ import annotations

import faulthandler
import hashlib
import json
import mmap
import os
import resource
import shutil
import signal
import struct
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from sedtalker.errors import InputError, one_line
from tests.fuzz.target import Target

SHARED = 24 * 2**20
"""Bytes of the shared memory."""
BEGIN = struct.Struct("<dddQ")
"""What stands at its beginning: when the input was begun (0: none is being read), by the clock of the wall, that of the
process, and that of its waiting for a processor; and how long the input is."""
LOOKED_AFTER = 64
"""Inputs between two looks at memory and at files that were left behind."""
NEVER = 86_400
"""Seconds after which atheris ends a process that reads one input; the parent judges that. 0 would be every input of
more than a second, which ends with libFuzzer's code 77."""
LONGEST_LINE = 2000
"""Characters of a message."""
OURS = ("input", "again", "good", "loop", "hostile")
"""How names of files begin that targets make themselves."""


@dataclass
class Found:
    """A fault.

    Attributes:
        target: whose.
        kind: ``exception``, ``lines``, ``hang``, ``crash``, ``memory`` or ``leftover``.
        where: what it is, the same for the same fault.
        detail: the traceback, or what else there is to say.
        digest: of the input.
    """

    target: str
    kind: str
    where: str
    detail: str
    digest: str


@dataclass
class Tally:
    """What came of the inputs."""

    inputs: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    found: list[Found] = field(default_factory=list)

    def merge(self, other: Tally) -> None:
        """Add another tally; each fault is kept once."""
        self.inputs += other.inputs
        self.outcomes += other.outcomes
        known = {(fault.target, fault.kind, fault.where) for fault in self.found}
        self.found += [fault for fault in other.found if (fault.target, fault.kind, fault.where) not in known]

    def to_json(self) -> str:
        """For the parent."""
        return json.dumps([self.inputs, self.outcomes, [asdict(fault) for fault in self.found]])

    @classmethod
    def from_json(cls, text: str) -> Tally:
        """From the child."""
        inputs, outcomes, found = json.loads(text)
        return cls(inputs, Counter(outcomes), [Found(**fault) for fault in found])


class Reader:
    """Gives inputs to a target and judges what happens.

    Args:
        target: the target.
        shared: memory shared with the parent.
        kept: folder for inputs that showed a fault.
        limit: bytes of memory beyond what the process has now.
    """

    def __init__(self, target: Target, shared: mmap.mmap, kept: Path, limit: int):
        self.target, self.shared, self.kept, self.limit = target, shared, kept, limit
        self.tally = Tally()
        self.base = _resident()
        self.home, self.temporary = Path.cwd(), Path(os.environ["TMPDIR"])

    def read(self, data: bytes) -> None:
        """One input."""
        self.shared[BEGIN.size : BEGIN.size + min(len(data), SHARED - BEGIN.size)] = data[: SHARED - BEGIN.size]
        queued = queued_seconds(os.getpid())
        self.shared[: BEGIN.size] = BEGIN.pack(time.monotonic(), time.process_time(), queued, len(data))
        self.tally.inputs += 1
        try:
            self.target.read(data)
            self.tally.outcomes["accepted"] += 1
        except InputError as error:
            self._refused(error, data)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            self._fault("exception", _place(error), "".join(traceback.format_exception(error, limit=-12)), data)
        self.shared[:8] = struct.pack("<d", 0.0)
        if self.tally.inputs % LOOKED_AFTER == 0:
            self.look_around(data)

    def _refused(self, error: InputError, data: bytes) -> None:
        said, cause = str(error), error.__context__
        self.tally.outcomes["refused"] += 1
        if len(said.splitlines()) != 1 or len(said) > LONGEST_LINE or said != one_line(said):
            self._fault("lines", f"{type(error).__name__} at {_place(error)}", repr(said[:1000]), data)
        while cause is not None:
            # FFmpeg says so of sizes above a limit of its own, and takes nothing
            if isinstance(cause, MemoryError) and not type(cause).__module__.startswith("av."):
                self._fault("memory", _place(cause), said, data)
            cause = cause.__context__

    def look_around(self, data: bytes) -> None:
        """Has memory grown, is a file left that nobody has asked for?"""
        grown = _resident() - self.base
        if grown > self.limit:
            self._fault("memory", "resident", f"{grown / 2**20:.0f} MiB", data)
            self.base += grown
        for folder in (self.home, self.temporary):
            for path in folder.iterdir():
                if folder == self.temporary or path.name.startswith((".", "tmp")):
                    self._fault("leftover", path.suffix or path.name[:6], str(path), data)
                    shutil.rmtree(path, ignore_errors=True)
                    path.unlink(missing_ok=True)

    def _fault(self, kind: str, where: str, detail: str, data: bytes) -> None:
        self.tally.outcomes[kind] += 1
        if any(fault.kind == kind and fault.where == where for fault in self.tally.found):
            return
        digest = keep(self.kept, self.target.name, kind, data)
        self.tally.found.append(Found(self.target.name, kind, where, detail, digest))


def keep(folder: Path, target: str, kind: str, data: bytes) -> str:
    """Write an input that showed a fault; its digest."""
    digest = hashlib.sha256(data).hexdigest()[:12]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{target.replace(' ', '_').replace('/', '_')}-{kind}-{digest}").write_bytes(data)
    return digest


def queued_seconds(process: int) -> float:
    """Seconds that a process has waited for a processor."""
    try:
        return int(Path(f"/proc/{process}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError):  # a system that does not count them
        return 0.0


def _place(error: BaseException) -> str:
    """Kind of an exception and the line of our own code that it came through last."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "/sedtalker/" in f.filename] or (
        traceback.extract_tb(error.__traceback__)[-1:]
    )
    at = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
    return f"{type(error).__name__} at {at}"


def _resident() -> int:
    """The most memory that this process has had, bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def inputs(target: Target, seed: int, hostile: bool) -> Iterator[bytes]:
    """Good inputs, with ``hostile`` those made by hand, then spoilt ones without end."""
    good = list(target.good())
    yield from good
    if hostile:
        yield from target.hostile()
    rng = Random(f"{target.name} {seed}")
    while True:
        data = rng.choice(good)
        with suppress(ValueError, OverflowError, MemoryError, RecursionError):  # a change that went too far
            for _ in range(rng.choice((1, 1, 1, 2, 3))):
                data = rng.choice(target.mutators)(data, rng, good)
        yield data


def run(target: Target, shared: mmap.mmap, folder: Path, kept: Path, report: int, **options: Any) -> None:
    """What the child does: read inputs until the time or the number is up, then report and leave.

    Args:
        target: what is tried.
        shared: see the module.
        folder: becomes the working folder; ``TMPDIR`` is another one below it.
        kept: for inputs that show faults.
        report: descriptor that the tally is written to.
        options: ``seed``, ``seconds``, ``most`` (inputs), ``hostile``, ``limit`` (bytes), ``guided``, ``skip``.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    (folder / "cwd").mkdir(parents=True)
    (folder / "tmp").mkdir()
    os.environ["TMPDIR"] = str(folder / "tmp")
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    tempfile.tempdir = None
    os.chdir(folder / "cwd")
    with open(os.devnull, "wb") as nothing, open(folder / "said", "wb") as said:
        os.dup2(nothing.fileno(), 1)
        os.dup2(said.fileno(), 2)
    faulthandler.enable(file=2)  # not where the parent, such as pytest, has it write
    good = list(target.good())  # made before memory is bounded
    if options["guided"] and good:  # what is imported at the first read, and traced meanwhile, is not the reader's time
        with suppress(Exception):
            target.read(good[0])
    limit = options["limit"]
    resource.setrlimit(resource.RLIMIT_AS, (_mapped() + limit, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    reader = Reader(target, shared, kept, limit)

    def finished() -> None:
        reader.look_around(b"")
        with os.fdopen(report, "w") as stream:
            stream.write(reader.tally.to_json())

    if options["guided"]:
        _guided(reader, folder, finished, options)
    ends = time.monotonic() + options["seconds"]
    for number, data in enumerate(inputs(target, options["seed"], options["hostile"])):
        if number >= options["most"] or time.monotonic() >= ends:
            break
        if number >= options["skip"]:
            reader.read(data)
    finished()
    os._exit(0)


def _mapped() -> int:
    """Bytes of address space that this process has."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def _guided(reader: Reader, folder: Path, finished: Any, options: dict[str, Any]) -> None:
    """Let atheris choose among changed inputs by the code that they reach; never returns."""
    import atheris

    target, rng = reader.target, Random(f"{reader.target.name} {options['seed']}")
    good = list(target.good())
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, data in enumerate(good):
        (corpus / str(number)).write_bytes(data)
    if options["hostile"]:
        for data in target.hostile():
            reader.read(data)
    ends = time.monotonic() + options["seconds"]

    def one(data: bytes) -> None:
        if reader.tally.inputs >= options["most"] or time.monotonic() >= ends:
            finished()
            os._exit(0)
        reader.read(data)

    def change(data: bytes, most: int, seed: int) -> bytes:
        try:
            made = rng.choice(target.mutators)(data or rng.choice(good), Random(seed), good)
        except Exception:  # a change that went too far; libFuzzer would take it for a fault of the target
            made = data
        return made[:most] or b"\0"

    arguments = [
        "fuzz",
        str(corpus),
        "-rss_limit_mb=0",
        f"-timeout={NEVER}",
        "-handle_segv=0",
        "-handle_abrt=0",
        "-verbosity=0",
    ]
    arguments += [f"-seed={1 + options['seed'] % 2**31}", f"-max_len={max(2**16, 2 * max(map(len, good)))}"]
    atheris.Setup(arguments, one, custom_mutator=change)
    atheris.Fuzz()
