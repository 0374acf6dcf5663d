"""Folders of one command, and how a command is started in them: in a fork, or from the start of Python."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIMIT = 300.0
"""Seconds after which a command hangs."""


@dataclass
class Sandbox:
    """Folders of one command: inputs are shared, results, cache, TMPDIR and working directory are its own."""

    root: Path
    inputs: Path

    def __post_init__(self) -> None:
        for name in ("out", "cache", "tmp", "work", "home"):
            (self.root / name).mkdir(parents=True, exist_ok=True)

    def words(self, text: str) -> list[str]:
        """The arguments of a command."""
        places = {"OUT": self.root / "out", "IN": self.inputs, "CACHE": self.root / "cache",
                  "CHECKPOINTS": ROOT / "checkpoints"}  # fmt: skip
        for word, place in places.items():
            text = text.replace(f"{word}/", f"{place}/").replace(f" {word} ", f" {place} ")
            text = text.removesuffix(f" {word}") + (f" {place}" if text.endswith(f" {word}") else "")
        return text.split()

    def environment(self) -> dict[str, str]:
        """Where the command keeps things."""
        return {
            "HOME": str(self.root / "home"),
            "XDG_CACHE_HOME": str(self.root / "cache"),
            "XDG_STATE_HOME": str(self.root / "home"),
            "TMPDIR": str(self.root / "tmp"),
            "PYTHONPATH": str(ROOT),
            "MPLCONFIGDIR": str(self.inputs / "matplotlib"),
        }

    def empty(self, *names: str) -> None:
        """Remove what is in some of the folders."""
        for name in names:
            shutil.rmtree(self.root / name)
            (self.root / name).mkdir()

    def results(self) -> dict[str, str]:
        """Hashes of the results, without work in progress."""
        found = {}
        for path in sorted((self.root / "out").rglob("*")):
            with suppress(OSError):
                if path.is_file() and not any(part.startswith(".sedtalker-") for part in path.parts):
                    name = str(path.relative_to(self.root / "out"))
                    found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        return found

    def names(self) -> set[str]:
        """Everything that lies anywhere."""
        places = [self.root / name for name in ("out", "cache", "tmp", "work")]
        return {str(path.relative_to(self.root)) for place in places for path in place.rglob("*")}

    def writing(self) -> bool:
        """Whether a command is at its results now."""
        with suppress(OSError):
            for place in (self.root / "out", *(self.root / "out").iterdir()):
                if place.name.startswith(".sedtalker-"):
                    if any((place / "new").iterdir()):
                        return True
                elif place.is_dir() and any((s / "new").exists() for s in place.glob(".sedtalker-*")):
                    return True
        return False


# --- Running a command.


def start(sandbox: Sandbox, words: list[str], fresh: bool) -> Callable[[], int | None]:
    """Start a command; gives a function that asks for its exit code (None: it runs), whose attribute is its number."""
    files = [(sandbox.root / name).open("wb") for name in ("stdout", "stderr")]
    if fresh:
        environment = {**os.environ, **sandbox.environment()}
        process = subprocess.Popen([sys.executable, "-m", "sedtalker", *words], stdout=files[0], stderr=files[1],
                                   stdin=subprocess.DEVNULL, env=environment, cwd=sandbox.root / "work")  # fmt: skip
        for file in files:
            file.close()
        poll = process.poll
        return _Started(process.pid, poll)
    number = os.fork()
    if not number:
        _be(sandbox, words, [file.fileno() for file in files])
    for file in files:
        file.close()

    def ask() -> int | None:
        found, status = os.waitpid(number, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if found else None

    return _Started(number, ask)


class _Started:
    """A process and how to ask for its end; the code is kept."""

    def __init__(self, number: int, ask: Callable[[], int | None]) -> None:
        self.number, self._ask, self._code = number, ask, None

    def __call__(self) -> int | None:
        if self._code is None:
            self._code = self._ask()
        return self._code

    def wait(self, seconds: float = LIMIT) -> int | None:
        deadline = time.monotonic() + seconds
        while self() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        return self()


def _be(sandbox: Sandbox, words: list[str], files: list[int]) -> None:
    """In the fork: become the command."""
    code = 70
    try:
        os.setpgid(0, 0)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(files[0], 1)
        os.dup2(files[1], 2)
        os.environ.update(sandbox.environment())
        os.chdir(sandbox.root / "work")
        tempfile.tempdir = None
        sys.argv = ["sedtalker", *words]
        from sedtalker.cli import run

        try:
            run()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        except KeyboardInterrupt:
            sys.stderr.write("Traceback: KeyboardInterrupt\n")
            code = 130
        import atexit

        sys.stdout.flush()
        atexit._run_exitfuncs()
    except BaseException as error:
        os.write(2, f"Traceback of the harness: {error!r}\n".encode())
    finally:
        os._exit(code)


def run_through(sandbox: Sandbox, words: list[str]) -> tuple[int | None, str, float]:
    """Run a command to its end: exit code, stderr, seconds."""
    began = time.monotonic()
    code = start(sandbox, words, fresh=False).wait()
    return code, (sandbox.root / "stderr").read_text(errors="replace"), time.monotonic() - began
